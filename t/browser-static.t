#!/usr/bin/perl
# The pages' files as they lie in www/: t/browser/static.js.
use strict;
use warnings;

use FindBin;

my $dir = "$FindBin::Bin/browser";
-e "$dir/node_modules/.package-lock.json" or die "run `make node-modules` first\n";
exec 'node', "$dir/static.js" or die "node: $!\n";
