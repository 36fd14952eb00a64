#!/usr/bin/perl
# www/js/ops-pages.js, the rows of long lists, without a browser: t/browser/pages.js.
use strict;
use warnings;

use FindBin;

exec 'node', "$FindBin::Bin/browser/pages.js" or die "node: $!\n";
