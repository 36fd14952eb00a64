#!/usr/bin/perl
# The start page in a browser, and the watch that all tests in browsers rely on: t/browser/start.js.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../run/lib";

use Wapool::Browser qw(browser_stack run_browser);

exit run_browser(browser_stack(), 'start.js');
