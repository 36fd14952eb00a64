#!/usr/bin/perl
# What front ends of others build on: t/browser/embed.js.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../run/lib";

use Wapool::Browser qw(browser_stack run_browser);
use Wapool::Process qw(free_ports);

my ($port) = free_ports(1);
my $s = browser_stack(scale => 1, origins => ["http://127.0.0.1:$port"]);
exit run_browser($s, 'embed.js', OTHER_PORT => $port);
