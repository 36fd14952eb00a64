#!/usr/bin/perl
# The pages when what lies behind is slow, empty or gone: t/browser/trouble.js.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../run/lib";

use Wapool::Browser qw(browser_stack run_browser);

exit run_browser(browser_stack(), 'trouble.js');
