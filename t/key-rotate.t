#!/usr/bin/perl
# A new key for what is sealed, while everything works: wapoolctl key rotate, key reseal.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Process qw(run_program slurp spew);
use Wapool::Test qw(stack eventually_ok free_instances);

my $s = stack(env => { SERVER_LIMIT => 1000 });
$s->wait_ready;
my $file = $s->key_file;
my $token = $s->token($s->unique_user);

sub wapoolctl {
	my (@words) = @_;
	return run_program(["$s->{build}/wapoolctl", @words], env => { %{ $s->environment } });
}

# Every program reads the key file again; cron would start another helper within a minute.
sub learn_keys {
	$s->reload_responders;
	$s->restart_responder('maintain');
	return;
}

# How many secrets are sealed with each key: {version => count}.
sub sealed_with {
	return { map { $_->[0] => $_->[1] } $s->psql(
			"SELECT substring(x FROM '^sealed:v([0-9]+):'), count(*) FROM (SELECT api_key_sealed AS x FROM waha_servers"
			. ' UNION ALL SELECT webhook_secret_sealed FROM waha_servers) y WHERE x IS NOT NULL GROUP BY 1') };
}

for my $n (1 .. 120) {    # more than a batch
	my $answer = $s->http(POST => '/api/waha/servers', token => $token, json => { nome => "s$n",
			api_url => "https://s$n.invalid", api_key => "key-of-server-$n-0000", max_sessions => 0 });
	is $answer->{status}, 201, "server $n" if $n == 1 || $n == 120;
}
is_deeply sealed_with(), { 1 => 242 }, 'everything is sealed with the first key';

my ($status, $output) = wapoolctl(qw(key rotate), $file);
is $status, 0, 'a new key is added' or diag $output;
is scalar(() = slurp($file) =~ /^[12] [0-9a-f]{64}$/mg), 2, 'beside the old one';
unlike $output, qr/[0-9a-f]{64}/, 'and is shown to nobody';
learn_keys();
is $s->http(PATCH => '/api/waha/servers/' . $s->psql_value("SELECT id FROM waha_servers WHERE nome = 's1'"), token => $token,
	json => { api_key => 'another-key-0001' })->{status}, 200, 'a key that is set now';
is sealed_with()->{2}, 1, 'is sealed with the new one';

my $bad = $s->psql_value("SELECT id FROM waha_servers WHERE nome = 's2'");
my $kept = $s->psql_value("SELECT api_key_sealed FROM waha_servers WHERE id = '$bad'");
$s->psql("UPDATE waha_servers SET api_key_sealed = 'sealed:v1:AAAA' WHERE id = '$bad'");
($status, $output) = wapoolctl(qw(key reseal));
is $status >> 8 || $status, 2, 'one that cannot be opened is told';
like $output, qr/^240 sealed anew with key 2, 1 cannot be opened$/m, 'and does not stop the others';
$s->psql("UPDATE waha_servers SET api_key_sealed = '$kept' WHERE id = '$bad'");
($status, $output) = wapoolctl(qw(key reseal));
like $output, qr/^1 sealed anew with key 2, 0 cannot/m, 'it goes on where it was';
like +(wapoolctl(qw(key reseal)))[1], qr/^0 sealed anew/m, 'and ends';
is_deeply sealed_with(), { 2 => 242 }, 'everything is sealed with the second key';

spew($file, slurp($file) =~ s/^1 .*\n//mr, 0600);
Wapool::Process::own('www-data', $file);
learn_keys();
my %mask = map { $_->{nome} => $_->{api_key} } @{ $s->http(GET => '/api/waha/servers?limit=100', token => $token)->{json}{servers} };
is $mask{s2}, '****0000', 'which opens without the first';
is $s->http(POST => '/api/whatsapp/connect', token => $s->token($s->unique_user), json => {})->{status}, 200, 'and everything works';
$s->stop;
done_testing;
