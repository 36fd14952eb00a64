#!/usr/bin/env perl
# What an attacker, a slow gateway or a hasty hand once could do. Each subtest is one of their ways.
use strict;
use warnings;

use FindBin;
use HTTP::Tiny;
use JSON::PP ();
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../run/lib";
use Wapool::Test qw(stack burst sign webhook sim problem_ok sim_session scan faults eventually eventually_ok lifecycle present_name
	free_instances);

use constant { CONNECT => '/api/whatsapp/connect', DISCONNECT => '/api/whatsapp/disconnect', MINE => '/api/whatsapp/my-connection' };

my $s = stack(env => { POOL_TARGET => 3, POOL_LOW => 1, POOL_STEP => 3, HEALTH_INTERVAL => 1, GATEWAY_START_GRACE => 0,
	GATEWAY_TIMEOUT_MS => 1000, CONNECT_DEADLINE_MS => 6000, THREADS => 4, OWN_WEBHOOKS_MB => 1, CLAIM_LIMIT => 6 });
eventually_ok('the pool is filled', sub { free_instances($s) >= 3 });

subtest "a command that comes late reaches nobody's phone"       => \&late_command;
subtest 'a session that is connected already is shown to nobody' => \&dirty_standby;
subtest 'a hand cannot put on standby what may hold a phone'     => \&hasty_hand;
subtest "an e-mail in a token takes nobody's login"              => \&claimed_email;
subtest 'what a failed attempt left at the gateway is deleted'   => \&orphans;
subtest 'sessions of another wapool are left alone'              => \&strangers;
subtest 'nobody registers servers without end'                   => \&many_servers;
subtest 'two at once do not both have the last place'            => \&last_server;
subtest 'many tokens of one user do not take every thread'       => \&many_tokens;
subtest 'nobody empties the pool by coming and going'            => \&come_and_go;
subtest "nobody fills the disk by webhooks of his own server"    => \&full_disk;
done_testing;

sub connected {
	my ($phone) = @_;
	my $token = $s->token($s->unique_user);
	my $name;
	eventually(sub { $name = $s->http(POST => CONNECT, token => $token, json => {})->{json}{instanceName} }) or return;
	scan($s, $name, $phone);
	eventually(sub { $s->http(GET => MINE, token => $token)->{json}{connected} });
	return ($token, $name);
}

# The gateway holds the first logout for long; the instance is emptied by a second one and goes to somebody else.
sub late_command {
	my ($ana, $name) = connected('5511900000001');
	faults($s, { kind => 'latency', ms => 200_000, session => $name, path => '/api/sessions/', rate => 1 });
	$s->http(POST => DISCONNECT, token => $ana, json => {});
	ok eventually(sub { (sim($s, GET => 'faults')->{faults}[0]{hits} // 0) > 0 }), 'a logout is on its way';
	faults($s);
	eventually_ok('the instance is emptied all the same', sub { lifecycle($s, $name) eq 'standby' });
	isnt present_name($s, $name), $name, 'its session has a name that no late command knows';
	ok !sim_session($s, $name), 'and the old one is gone';
	return;
}

# Somebody scans a session that nobody was given: its next owner must not see that phone.
sub dirty_standby {
	$s->group('maintain')->stop;    # no look may repair it before
	my %dirty;
	for my $row ($s->psql(q{SELECT name FROM instances WHERE lifecycle = 'standby'})) {
		gateway(POST => "/api/sessions/$row->[0]/start");
		eventually(sub { sim_session($s, $row->[0])->{qr} });
		scan($s, $row->[0], '5511900000002');
		eventually(sub { sim_session($s, $row->[0])->{status} eq 'WORKING' });
		$dirty{ $row->[0] } = 1;
	}
	cmp_ok keys %dirty, '>=', 3, 'all that stand by hold a phone';
	my $answer = $s->http(POST => CONNECT, token => $s->token($s->unique_user), json => {});
	isnt $answer->{status}, 200, 'who clicks is not connected';
	unlike $answer->{body}, qr/5511900000002|"connected":true/, 'and sees no phone';
	$s->start_maintain;
	eventually_ok('they are emptied', sub { free_instances($s) >= 3
		&& !grep { defined $_->{phone} } @{ sim($s, GET => 'sessions') } })
		or diag explain [$s->psql('SELECT name, lifecycle, status, last_error FROM instances'), grep { defined $_->{phone} } @{ sim($s, GET => 'sessions') }];
	return;
}

sub hasty_hand {
	my ($token, $name) = connected('5511900000003');
	$s->group('maintain')->stop;
	$s->psql("UPDATE instances SET assigned_to_user_id = NULL WHERE name = '$name'");
	ok !eval { $s->psql("UPDATE instances SET lifecycle = 'standby' WHERE name = '$name'"); 1 }, 'it is refused';
	like $@, qr/only be put on standby by the helper/, 'with the reason';
	is lifecycle($s, $name), 'recycling', 'it waits for the helper';
	$s->start_maintain;
	eventually_ok('who empties it', sub { lifecycle($s, $name) eq 'standby' });
	return;
}

sub claimed_email {
	my $intruder = $s->unique_user;
	$s->http(POST => CONNECT, token => $s->token($intruder, email => 'boss@corp.example'), json => {});
	my ($status, $output) = $s->ctl(\"a-good-password\n", 'user', 'add', 'boss@corp.example', '--admin', '--password-stdin');
	is $status, 0, 'the operator makes a user of that e-mail';
	unlike $output, qr/\Q$intruder\E/, 'who is somebody else';
	my $login = $s->http(POST => '/api/auth/login', json => { email => 'boss@corp.example', password => 'a-good-password' });
	is $login->{status}, 200, 'he logs in';
	isnt $login->{json}{user}{id}, $intruder, 'as himself';
	is $s->psql_value("SELECT role FROM users WHERE id = '$intruder'"), 'user', 'the intruder is what he was';
	return;
}

sub gateway {
	my ($method, $path, $body) = @_;
	return HTTP::Tiny->new(timeout => 20, no_proxy => '127.0.0.1')->request($method, $s->sim_url . $path, {
		headers => { 'X-Api-Key' => $s->sim_key, 'Content-Type' => 'application/json' },
		content => $body ? JSON::PP->new->encode($body) : '' });
}

sub orphans {
	my $id = $s->psql_value('SELECT id FROM installation');
	is gateway(POST => '/api/sessions', { name => 'pool-1-1', start => JSON::PP::false,
		config => { metadata => { 'wapool.id' => $id } } })->{status}, 201, 'a session of ours that no row knows';
	eventually_ok('is deleted', sub { !sim_session($s, 'pool-1-1') });
	return;
}

sub strangers {
	for my $metadata ({}, { 'wapool.id' => '00000000-0000-4000-8000-000000000000' }) {
		gateway(POST => '/api/sessions', { name => 'pool-2-' . keys %$metadata, start => JSON::PP::false,
			config => { metadata => $metadata } });
	}
	my $seen = sub { $s->psql_value('SELECT extract(epoch FROM max(checked_at)) FROM waha_servers') };
	for (1 .. 4) {
		my $before = $seen->();
		eventually(sub { $seen->() > $before });
	}
	ok sim_session($s, $_), "$_ is still there after four looks" for qw(pool-2-0 pool-2-1);
	return;
}

# Each is looked at every minute, by the helpers that look after everybody.
sub many_servers {
	my $token = $s->token($s->unique_user);
	my $add = sub { $s->http(POST => '/api/waha/servers', token => $token,
		json => { nome => "n$_[0]", api_url => "https://n$_[0].invalid", ativo => JSON::PP::false }) };
	is_deeply [grep { $_ != 201 } map { $add->($_)->{status} } 1 .. 20], [], 'twenty';
	problem_ok($add->(21), 409, 'server-limit', 'one more');
	is $s->psql_value(q{SELECT count(*) FROM waha_servers WHERE nome = 'n21'}), 0, 'is not there';
	return;
}

sub last_server {
	my $token = $s->token($s->unique_user);
	my $add = sub { map { { method => 'POST', path => '/api/waha/servers', token => $token,
		json => { nome => "n$_", api_url => "https://n$_.invalid", ativo => JSON::PP::false } } } @_ };
	burst($s, $_) for $add->(1 .. 19);
	my @answers = burst($s, $add->(20 .. 27));
	is scalar(grep { $_->{status} == 201 } @answers), 1, 'one of eight has it';
	is scalar(grep { $_->{status} == 409 || $_->{status} == 429 } @answers), 7, 'the others are told';
	return;
}

# nginx counts by token, and cannot know whose each is.
sub many_tokens {
	my $mallory = $s->unique_user;
	my @tokens = map { $s->token($mallory, email => "m$_\@example.org") } 1 .. 8;
	faults($s, { kind => 'latency', ms => 900, rate => 1 });
	my @answers = burst($s, map { { method => 'POST', path => CONNECT, token => $_, json => {} } } @tokens);
	my ($refused) = grep { $_->{status} == 429 } @answers;
	faults($s);
	ok $refused, 'some of his requests are refused' or return;
	problem_ok($refused, 429, 'too-many-requests', 'with a problem');
	is $refused->{headers}{'retry-after'}, 2, 'that says when to come again';
	cmp_ok scalar(grep { $_->{status} == 200 } @answers), '<=', 4, 'nginx let them all pass';
	is $s->http(POST => DISCONNECT, token => $tokens[0], json => {})->{status}, 200, 'he leaves';
	return;
}

sub full_disk {
	my $token = $s->token($s->unique_user);
	my $secret = 'a-secret-of-mallorys-own';
	my $id = $s->http(POST => '/api/waha/servers', token => $token, json => { nome => 'm', webhook_secret => $secret,
			api_url => 'https://m.invalid', ativo => JSON::PP::false })->{json}{id};
	my $told = sub { my ($n) = @_;
		my $rq = webhook($s, { event => 'message', id => "m$n", session => 'nobody', payload => { body => 'x' x 300_000 } },
			path => "/webhook/$id");
		$rq->{headers}{'X-Webhook-Hmac'} = sign($rq->{body}, $secret);
		return (burst($s, $rq))[0];
	};
	$s->psql(q{CREATE FUNCTION fail_m0() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN IF NEW.event_id = 'm0' THEN RAISE EXCEPTION 'not now'; END IF; RETURN NEW; END $$});
	$s->psql('CREATE TRIGGER fail_m0 BEFORE INSERT ON webhook_events FOR EACH ROW EXECUTE FUNCTION fail_m0()');
	is_deeply [map { $told->($_)->{status} } (0) x 4], [(500) x 4], 'what we fail to store is not counted';
	$s->psql('DROP TRIGGER fail_m0 ON webhook_events; DROP FUNCTION fail_m0()');
	is_deeply [map { $told->($_)->{status} } (1) x 4], [(200) x 4], 'what comes again is counted once';
	is_deeply [map { $told->($_)->{status} } 2, 3], [200, 200], 'a megabyte is stored';
	my $answer = $told->(4);
	problem_ok($answer, 429, 'webhooks-full', 'more is not');
	cmp_ok $answer->{headers}{'retry-after'}, '>', 3600, 'for hours';
	is $s->psql_value("SELECT count(*) FROM webhook_events WHERE server_id = '$id'"), 3, 'what was refused is nowhere';
	my $platform = $s->psql_value('SELECT id FROM waha_servers WHERE user_id IS NULL');
	is((burst($s, webhook($s, { event => 'message', id => 'p1', session => 'nobody', payload => { body => 'x' x 1_500_000 } },
		path => "/webhook/$platform")))[0]{status}, 200, "the platform's servers go on");
	return;
}

# Each instance that comes back has to be emptied at its gateway, and made anew.
sub come_and_go {
	eventually_ok('some stand by', sub { free_instances($s) >= 3 });
	my $user = $s->unique_user;
	my ($token, $other, $last, %seen) = ($s->token($user), $s->token($s->unique_user));
	for (1 .. 7) {
		eventually(sub { ($last = $s->http(POST => CONNECT, token => $token, json => {}))->{status} =~ /\A(?:200|429)\z/ });
		$seen{ $last->{status} }++;
		last if $last->{status} != 200 || $_ == 7;
		$s->http(POST => DISCONNECT, token => $token, json => {});
	}
	is $seen{200}, 6, 'six within the hour';
	problem_ok($last, 429, 'claims-used', 'not a seventh');
	ok !$s->psql_value("SELECT count(*) FROM instances WHERE assigned_to_user_id = '$user'"), 'he has none';
	eventually_ok('others are served', sub { $s->http(POST => CONNECT, token => $other, json => {})->{status} == 200 });
	$s->psql("UPDATE claim_turns SET full_at = full_at - interval '10 minutes' WHERE user_id = '$user'");
	eventually_ok('ten minutes later he gets one', sub { $s->http(POST => CONNECT, token => $token, json => {})->{status} == 200 });
	is $s->http(POST => CONNECT, token => $token, json => {})->{status}, 200, 'and keeps it however often he clicks';
	$s->http(POST => DISCONNECT, token => $_, json => {}) for $token, $other;
	return;
}
