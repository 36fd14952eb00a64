#!/usr/bin/perl
# "Configurações > Servidores WAHA" on a real stack: t/browser/servers.js.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../run/lib";

use Wapool::Browser qw(browser_stack run_browser);

# users' servers may be at 127.0.0.1, nowhere else that is not public
exit run_browser(browser_stack(env => { GATEWAY_ALLOW_PRIVATE => '127.0.0.1', GATEWAY_TIMEOUT_MS => 1500 }), 'servers.js');
