#!/usr/bin/perl
# Logging in, and what all pages have: t/browser/login.js.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../run/lib";

use Wapool::Browser qw(browser_stack run_browser);

exit run_browser(browser_stack(), 'login.js');
