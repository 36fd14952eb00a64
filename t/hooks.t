#!/usr/bin/perl
# The webhooks of sessions that were made before: what a gateway has lost is set again, and a changed secret reaches
# them, with no event refused meanwhile. At gateways of every kind.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

use Wapool::Test qw(stack stock sim sim_session scan eventually_ok instance_of problem_ok webhook burst sign server_id invariants_ok WEBHOOK_SECRET);

my $json = JSON::PP->new->utf8->canonical;
my $http = HTTP::Tiny->new(timeout => 20, no_proxy => '127.0.0.1');
my ($s, $kind, $texts);

for my $simulated (qw(waha evolution1 evolution2 gowa)) {
	$kind = $simulated;
	subtest $kind => \&all;
}
done_testing;

# No helper runs but when it is called, so nothing else sets a webhook.
sub all {
	$s = stack(helper => 0, env => { SIM_KIND => $kind, POOL_TARGET => 3, POOL_LOW => 1, POOL_STEP => 1,
		$kind eq 'gowa' ? (WAHA_URL => '') : () });
	$s->psql("INSERT INTO waha_servers (nome, kind, api_url, api_key, webhook_secret, rate_limit)
		VALUES ('gowa', 'gowa', '" . $s->sim_url . "', '" . $s->sim_key . "', '" . WEBHOOK_SECRET . "', 0)") if $kind eq 'gowa';
	stock($s);
	look();
	my ($user, $name) = connected();
	subtest 'a session tells its messages'                 => sub { tells($name) };
	subtest 'what the gateway has lost is set again'       => sub { lost($name) };
	subtest 'after its restart'                            => sub { restarted($name) } if $kind eq 'waha'; # the others do not tell
	subtest 'another secret by hand'                       => sub { by_hand($name) };
	subtest 'another WEBHOOK_SECRET'                       => sub { by_environment($name) } if $kind ne 'gowa'; # which no setting names
	subtest 'a session with one that is refused is no trouble to the others' => sub { one_refuses($name) };
	ok $s->http(GET => '/api/whatsapp/my-connection', token => $s->token($user))->{json}{connected}, 'he was connected all the time';
	invariants_ok($s, 'in the end');
	$s->stop;
	return;
}

# One look at the server.
sub look {
	$s->psql('UPDATE waha_servers SET check_next_at = now()');
	my ($status, $output) = $s->maintain(qw(seal health));
	is $status, 0, 'a look' or diag $output if $status;
	return;
}

sub an_hour_passes { return $s->psql(q{UPDATE instances SET hook_at = hook_at - interval '1 hour'}) }

sub connected {
	my $user = $s->unique_user;
	my $answer = $s->http(POST => '/api/whatsapp/connect', token => $s->token($user), json => {});
	is $answer->{status}, 200, 'connect' or diag $answer->{body};
	my $name = $answer->{json}{instanceName};
	scan($s, $name, '5511930000000');
	eventually_ok('connected', sub { look() if $kind eq 'gowa';
		$s->http(GET => '/api/whatsapp/my-connection', token => $s->token($user))->{json}{connected} });
	return ($user, $name);
}

# Whether a message that comes in now is told to us and stored.
sub is_told {
	my ($name, $patience) = @_;
	my $text = 'text number ' . ++$texts;
	eventually_ok('its phone is there', sub { sim_session($s, $name)->{status} eq 'WORKING' });
	sim($s, POST => "sessions/$name/message", { from => '5511988887777', text => $text });
	return Wapool::Test::eventually(sub {
		$s->psql_value("SELECT count(*) FROM webhook_events WHERE session = '$name' AND payload::text LIKE '%$text%'") > 0 }, $patience);
}

sub tells {
	my ($name) = @_;
	ok is_told($name), 'what it is told';
	is hooks(), 0, 'all sessions have been looked at';
	return;
}

# How many sessions have not been seen to have their webhook.
sub hooks { return $s->psql_value(q{SELECT count(*) FROM instances WHERE lifecycle IN ('standby', 'assigned') AND hook IS NULL}) }

# A call of the gateway's own API.
sub gateway {
	my ($method, $path, $body) = @_;
	my $answer = $http->request($method, $s->sim_url . $path, { content => $json->encode($body), headers => {
		'Content-Type' => 'application/json',
		$kind eq 'waha' ? ('X-Api-Key' => $s->sim_key) : $kind eq 'gowa' ? (Authorization => 'Basic ' . encode_base64($s->sim_key, ''))
			: (apikey => $s->sim_key) } });
	ok $answer->{success}, "$method $path" or diag "$answer->{status} $answer->{content}";
	return;
}

# The session's webhook is gone.
sub lose {
	my ($name) = @_;
	return gateway(PUT => "/api/sessions/$name", { config => { webhooks => [] } }) if $kind eq 'waha';
	return gateway(PATCH => "/devices/$name/webhook", { webhook_url => '' }) if $kind eq 'gowa';
	my %none = (enabled => JSON::PP::false, url => 'http://127.0.0.1:9/', events => []);
	return gateway(POST => "/webhook/set/$name", $kind eq 'evolution2' ? { webhook => \%none } : \%none);
}

sub lost {
	my ($name) = @_;
	lose($name);
	ok !is_told($name, 2), 'nothing is told any more';
	look();
	ok !is_told($name, 2), 'a moment after it was seen it is not looked at again';
	an_hour_passes();
	look();
	ok is_told($name), 'an hour later it is';
	return;
}

sub restarted {
	my ($name) = @_;
	lose($name);
	sim($s, POST => 'restart', { downMs => 100 });
	eventually_ok('it is back', sub { (sim_session($s, $name) || { status => '' })->{status} eq 'WORKING' });
	eventually_ok('a look sees it', sub { look(); is_told($name, 2) });
	return;
}

# Posts what only who knows that secret could; the answer.
sub forged {
	my ($name, $secret) = @_;
	my $id = 'evt_' . ++$texts;
	my ($body, %header);
	if ($kind eq 'waha') {
		$body = $json->encode({ id => $id, event => 'message', session => $name, payload => { body => 'x' } });
		%header = ('X-Webhook-Hmac' => sign($body, $secret), 'X-Webhook-Hmac-Algorithm' => 'sha512');
	} elsif ($kind eq 'gowa') {
		require Digest::SHA;
		$body = $json->encode({ event => 'message', session_id => $name, payload => { id => $id, body => 'x' } });
		%header = ('X-Hub-Signature-256' => 'sha256=' . Digest::SHA::hmac_sha256_hex($body, $secret));
	} else {
		require Digest::SHA;
		my $token = $s->psql_value('SELECT id FROM installation') . '.' . substr Digest::SHA::hmac_sha512_hex($name, $secret), 0, 32;
		$body = $json->encode({ event => 'messages.upsert', instance => $name, data => { key => { id => $id } }, apikey => $token });
		%header = $kind eq 'evolution2' ? ('X-Wapool-Secret' => $secret) : ();
	}
	return $s->http(POST => '/webhook/' . server_id($s), body => $body, headers => { 'Content-Type' => 'application/json', %header });
}

# The secret has become another: sessions go on telling, before and after they are told, and the old one ends.
sub changed {
	my ($name, $old, $new) = @_;
	ok is_told($name), 'what is signed with the former secret is taken meanwhile';
	is forged($name, $new)->{status}, 200, 'and the new one already';
	look();
	is hooks(), 0, 'all sessions have been told';
	$s->psql('UPDATE waha_servers SET webhook_secret_former_until = now()');
	problem_ok(forged($name, $old), 401, 'bad-signature', 'the former is refused when its time is over');
	ok is_told($name), 'the session signs with the new one';
	return;
}

sub by_hand {
	my ($name) = @_;
	$s->psql(q{UPDATE waha_servers SET webhook_secret = 'the second secret of this row'});
	is forged($name, WEBHOOK_SECRET)->{status}, 200, 'also before it is sealed';
	local $s->{env}{WEBHOOK_SECRET} = ''; # which else would change it back
	$s->maintain('seal');
	is $s->psql_value('SELECT count(webhook_secret) FROM waha_servers'), 0, 'sealed';
	changed($name, WEBHOOK_SECRET, 'the second secret of this row');
	return;
}

sub by_environment {
	my ($name) = @_;
	$s->{env}{WEBHOOK_SECRET} = 'the third secret, of the environment';
	$s->maintain('seal');
	changed($name, 'the second secret of this row', 'the third secret, of the environment');
	return;
}

sub one_refuses {
	my ($name) = @_;
	lose($name);
	my ($other) = map { $_->[0] } $s->psql(q{SELECT name FROM instances WHERE lifecycle = 'standby' ORDER BY id LIMIT 1});
	sim($s, PUT => 'faults', { faults => [{ kind => 'status', status => 500, session => $other }] });
	an_hour_passes();
	look();
	ok is_told($name), 'it is told all the same';
	is hooks(), 1, 'the other is noted';
	sim($s, PUT => 'faults', { faults => [] });
	$s->psql(q{UPDATE instances SET hook_at = hook_at - interval '6 minutes' WHERE hook IS NULL});
	look();
	is hooks(), 0, 'and tried again';
	return;
}
