#!/usr/bin/perl
# www/js/live.js, by which a page hears of changes, without a browser: t/browser/live.js.
use strict;
use warnings;

use FindBin;

exec 'node', "$FindBin::Bin/browser/live.js" or die "node: $!\n";
