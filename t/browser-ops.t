#!/usr/bin/perl
# The operators' page in a browser: t/browser/ops.js.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../run/lib";

use Wapool::Browser qw(browser_stack run_browser);

exit run_browser(browser_stack(env => { POOL_TARGET => 4, POOL_LOW => 2, POOL_STEP => 2 }), 'ops.js');
