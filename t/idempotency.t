#!/usr/bin/perl
# Idempotency-Key on connect: who sends a click twice under one key clicks once, and hears the same twice.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use POSIX ();
use Test::More;

use Wapool::Process qw(random_hex);
use Wapool::Test qw(stack stock sim_session faults burst problem_ok eventually instance_of free_instances
	qr_of_data_uri SEED_EMPTY);

use constant CONNECT => '/api/whatsapp/connect';

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

# A key is locked for CONNECT_DEADLINE_MS and ten seconds.
my $s = stack(hosts => 2, helper => 0, env => { POOL_TARGET => 14, POOL_LOW => 0, CONNECT_DEADLINE_MS => 4000, IDEMPOTENCY_KEYS => 20 });
is stock($s), 14, 'fourteen stand by';

my ($crashed_user, $crashed_key, $crashed) = crash();    # its lock ends while the others run
subtest 'the same key, the same answer'           => \&replayed;
subtest 'the same key, another request'           => \&mismatch;
subtest 'keys as clients write them'              => \&spellings;
subtest 'malformed keys'                          => \&malformed;
subtest 'at once: one executes'                   => \&at_once;
subtest 'another user\'s key is another key'      => \&other_user;
subtest 'refusals are answers too'                => \&refusals;
subtest 'an answer outlives the responder'        => \&restarted;
subtest 'what may be tried again frees the key'   => \&freed;
subtest 'an empty pool frees the key'             => \&empty_pool;
subtest 'so many keys, no more'                => \&bounded;
subtest 'a crash frees the key when its lock ends' => \&after_crash;
$s->stop;
done_testing;

sub key { return 'key-' . random_hex(8) }

sub click {
	my ($user, $key, %more) = @_;
	return { method => 'POST', path => CONNECT, token => $s->token($user), headers => { 'Idempotency-Key' => $key }, %more };
}

sub clicked { return (burst($s, click(@_)))[0] }

# The claims of that user so far.
sub claims { return $s->psql_value("SELECT count(*) FROM instance_events WHERE to_state = 'assigned' AND user_id = '$_[0]'") }

sub keys_of { return $s->psql_value("SELECT count(*) FROM idempotency_keys WHERE user_id = '$_[0]'") }

sub disconnect { return $s->http(POST => '/api/whatsapp/disconnect', token => $s->token($_[0])) }

# --- Answers ---

sub replayed {
	my ($user, $key) = ($s->unique_user, key());
	my $first = clicked($user, $key);
	is $first->{status}, 200, 'the first' or diag $first->{body};
	is $first->{headers}{'idempotency-replayed'}, undef, 'is executed';
	my $session = sim_session($s, $first->{json}{instanceName});
	my $read = qr_of_data_uri($first->{json}{qrCode});
	like $read, qr/\A2@/, 'shows a QR';
	is $read, $session->{qr}, 'that of this session' if $session->{qrShown} == 1;    # else the next one has come meanwhile
	my $second = clicked($user, $key);
	is $second->{status}, 200, 'the second';
	is $second->{body}, $first->{body}, 'is the same to the byte';
	is $second->{headers}{'idempotency-replayed'}, 'true', 'and says so';
	my $stored = $s->psql_value("SELECT body FROM idempotency_keys WHERE user_id = '$user'");
	like $stored, qr/\Asealed:v1:[A-Za-z0-9+\/=]+\z/, 'whoever reads the database sees no QR';
	is $second->{headers}{'content-type'}, $first->{headers}{'content-type'}, 'of the same type';
	isnt $second->{headers}{'x-request-id'}, $first->{headers}{'x-request-id'}, 'yet a request of its own';
	is claims($user), 1, 'he claimed once';

	disconnect($user);
	is clicked($user, $key)->{body}, $first->{body}, 'after a disconnect: still what was answered then';
	ok !instance_of($s, $user), 'nothing is claimed by that';
	is clicked($user, key())->{status}, 200, 'a new key is a new click';
	is claims($user), 2, 'that claims';
	return;
}

sub mismatch {
	my ($user, $key) = ($s->unique_user, key());
	my $first = clicked($user, $key);
	my @others = ('{}', '{"method":"qr"}', ' ', '{"deviceId":null}');
	problem_ok(clicked($user, $key, body => $_, headers => { 'Idempotency-Key' => $key, 'Content-Type' => 'application/json' }),
		$_ eq ' ' ? (400, 'bad-json') : (422, 'idempotency-reuse'), "another body: '$_'") for @others;
	is clicked($user, $key)->{body}, $first->{body}, 'the first request is still answered';
	is claims($user), 1, 'he claimed once';
	return;
}

sub spellings {
	my $user = $s->unique_user;
	my $first = clicked($user, '"8e03978e-40d5-43dd-bc93-6894a57f9324"');
	is $first->{status}, 200, 'in quotes, as the draft has it';
	is clicked($user, '8e03978e-40d5-43dd-bc93-6894a57f9324')->{body}, $first->{body}, 'without: the same key';
	isnt clicked($user, '8E03978E-40D5-43DD-BC93-6894A57F9324')->{headers}{'idempotency-replayed'}, 'true', 'capitals: another';
	is clicked($user, 'k' x 255)->{status}, 200, '255 bytes';
	is claims($user), 1, 'he claimed once';
	return;
}

sub malformed {
	my $user = $s->unique_user;
	problem_ok(clicked($user, $_), 400, 'idempotency-key', 'refused: ' . substr $_, 0, 12)
		for '', '""', '"', '"x', 'x"', 'a b', "a\tb", 'a"b', 'a\\b', 'k' x 256, 'x' x 3000, "\xc3\xa9", "\x7f";
	is claims($user), 0, 'nothing was claimed';
	is $s->psql_value("SELECT count(*) FROM users WHERE id = '$user'"), 0, 'nor stored';
	return;
}

sub at_once {
	faults($s, { kind => 'latency', path => '/api/sessions/', ms => 4000 });    # 0.2 s each
	my ($user, $key) = ($s->unique_user, key());
	my @answers = burst($s, (click($user, $key)) x 10);
	faults($s);
	my @executed = grep { $_->{status} == 200 && !$_->{headers}{'idempotency-replayed'} } @answers;
	my @replayed = grep { $_->{status} == 200 && $_->{headers}{'idempotency-replayed'} } @answers;
	my @busy     = grep { $_->{status} == 409 } @answers;
	is scalar @executed, 1, 'one is executed';
	is @executed + @replayed + @busy, 10, 'the others are replays, or told that the first still runs';
	cmp_ok scalar @busy, '>', 0, 'some are told so';
	problem_ok($busy[0], 409, 'idempotency-busy', 'with a problem');
	is scalar(grep { ($_->{headers}{'retry-after'} // 0) > 0 } @busy), scalar @busy, 'and Retry-After';
	is $_->{body}, $executed[0]{body}, 'a replay is the answer' for @replayed;
	is clicked($user, $key)->{body}, $executed[0]{body}, 'later too';
	is claims($user), 1, 'he claimed once';
	return;
}

sub other_user {
	my $key = key();
	my @users = map { $s->unique_user } 1, 2;
	my @answers = burst($s, map { click($_, $key) } @users);
	is_deeply [map { $_->{status} } @answers], [200, 200], 'both are served';
	isnt $answers[0]{json}{instanceName}, $answers[1]{json}{instanceName}, 'each with his own instance';
	my $stranger = clicked($users[1], $key);
	is $stranger->{body}, $answers[1]{body}, 'each hears his own answer again';
	return;
}

sub refusals {
	my ($user, $key) = ($s->unique_user, key());
	my $invalid = click($user, $key, json => { method => 'sms' }, headers => { 'Idempotency-Key' => $key });
	problem_ok((burst($s, $invalid))[0], 422, 'invalid-field', 'a request that cannot be');
	my $foreign = $s->unique_user;
	my $request = click($user, $key, json => { deviceId => $foreign }, headers => { 'Idempotency-Key' => $key });
	my ($first)  = burst($s, $request);
	my ($second) = burst($s, $request);
	problem_ok($first, 404, 'device-not-found', 'did not use the key up; a device that is not his');
	is $second->{body}, $first->{body}, 'is refused in the same words';
	is $second->{headers}{'idempotency-replayed'}, 'true', 'from the store';
	return;
}

sub restarted {
	my ($user, $key) = ($s->unique_user, key());
	my $first = clicked($user, $key);
	$s->restart_responder('connect', 'KILL');
	my $second;
	eventually(sub { $second = clicked($user, $key); $second->{status} != 502 });
	is $second->{body}, $first->{body}, 'the same answer, from another process';
	return;
}

# --- Keys that become free ---

sub freed {
	my ($user, $key) = ($s->unique_user, key());
	faults($s, { kind => 'stuck_starting' });
	problem_ok(clicked($user, $key), 504, 'gateway-slow', 'the gateway is too slow');
	is keys_of($user), 0, 'the key is free';
	my $kept = instance_of($s, $user);
	faults($s, { kind => 'unauthorized' });
	problem_ok(clicked($user, $key), 502, 'gateway-failed', 'the gateway fails');
	is keys_of($user), 0, 'the key is free';
	faults($s);
	is instance_of($s, $user)->{name}, $kept->{name}, 'he keeps his instance';
	disconnect($user);
	my $answer = clicked($user, $key);
	is $answer->{status}, 200, 'the same key works when the gateway does' or diag $answer->{body};
	return;
}

sub empty_pool {
	my @others;
	push @others, $s->unique_user and clicked($others[-1], key()) while free_instances($s) > 0 && @others < 20;
	my ($user, $key) = ($s->unique_user, key());
	my $refused = clicked($user, $key);
	problem_ok($refused, 503, 'pool-empty', 'nothing is free', SEED_EMPTY);
	is keys_of($user), 0, 'the key is';
	disconnect($others[0]);
	$s->maintain('recycle');
	my $answer = clicked($user, $key);
	is $answer->{status}, 200, 'the same key, later: served' or diag $answer->{body};
	is $answer->{headers}{'idempotency-replayed'}, undef, 'not from the store';
	is clicked($user, $key)->{body}, $answer->{body}, 'and that is what is heard from now on';
	return;
}

sub bounded {
	my ($user, $stranger) = ($s->unique_user, $s->unique_user);
	my $refused = sub { { method => 'POST', path => CONNECT, token => $s->token($user), json => { deviceId => $stranger },
		headers => { 'Idempotency-Key' => $_[0] } } };    # a 404, which is an answer too
	is_deeply [map { $_->{status} } burst($s, map { $refused->("k$_") } 1 .. 20)], [(404) x 20], 'twenty answers are stored';
	my ($full) = burst($s, $refused->('k21'));
	problem_ok($full, 429, 'idempotency-full', 'one more is refused');
	my $wait = $full->{headers}{'retry-after'};
	cmp_ok $wait, '>', 23 * 3600, "until the oldest is forgotten ($wait)";
	is +(burst($s, $refused->('k1')))[0]{headers}{'idempotency-replayed'}, 'true', 'the stored ones are given again';
	my ($without) = burst($s, { %{ $refused->('') }, headers => {} });
	is $without->{status}, 404, 'without a key he goes on';
	return;
}

# A responder dies while it asks the gateway: (user, key, what the client heard).
sub crash {
	my ($user, $key) = ($s->unique_user, key());
	faults($s, { kind => 'latency', path => '/api/sessions/', ms => 20_000 });    # 1 s each
	my $killer = fork // die "fork: $!";
	if ($killer == 0) {
		eventually(sub { instance_of($s, $user) });
		kill 'KILL', scalar $s->pids('connect');
		POSIX::_exit(0);
	}
	my $answer = clicked($user, $key);
	waitpid $killer, 0;
	faults($s);
	eventually(sub { $s->http(GET => CONNECT)->{status} == 405 }) or die 'connect did not come back';
	my $name = instance_of($s, $user)->{name};
	eventually(sub { sim_session($s, $name)->{status} !~ /\AST/ }, 5);    # what was asked for may still be done
	return ($user, $key, $answer);
}

sub after_crash {
	problem_ok($crashed, 502, 'bad-gateway', 'the client heard that it failed');
	my $had = instance_of($s, $crashed_user);
	ok $had, 'what was claimed is his';
	my ($answer, %seen);
	eventually(sub { $answer = clicked($crashed_user, $crashed_key); $seen{ $answer->{status} }++; $answer->{status} != 409 });
	is $answer->{status}, 200, 'the same key, when its lock has ended' or diag $answer->{body};
	is $answer->{json}{instanceName}, $had->{name}, 'with the same instance';
	is claims($crashed_user), 1, 'he claimed once';
	is_deeply [sort keys %seen], [grep { $seen{$_} } 200, 409], 'until then: the first still runs';
	return;
}
