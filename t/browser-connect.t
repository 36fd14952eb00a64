#!/usr/bin/perl
# The Connect page on a real stack: t/browser/connect.js. Time runs eight times faster: a QR lives 7.5 s, then 2.5.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../run/lib";

use Wapool::Browser qw(browser_stack run_browser);

exit run_browser(browser_stack(scale => 8, env => { POOL_TARGET => 20 }), 'connect.js');
