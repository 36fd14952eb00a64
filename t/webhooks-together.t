#!/usr/bin/perl
# Webhooks that have come together share a transaction. Each is answered, and stored once, as if it had come alone.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use Wapool::Test qw(stack burst burst_while_locked shared_by webhook sign server_id);

use constant GENERATION => 3;

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(scale => 0, helper => 0, responders => ['webhook'],
	env => { THREADS => 1, WAHA_URL => 'http://127.0.0.1:1', WAHA_API_KEY => 'gateway-key-of-the-tests' });
$s->maintain('seal');
my @sessions = map { "loja-$_" } 1 .. 8;
assign($_) for @sessions;
my $number = 0;

subtest 'messages of many sessions'              => \&messages;
subtest 'among others that do not go together'   => \&others;
subtest 'what locks more, or is another\'s, is stored alone' => \&alone;
subtest 'one that cannot be stored'              => \&poisoned;
subtest 'a secret that has changed meanwhile'    => \&secret;
subtest 'the database is away'                   => \&away;
$s->stop;
done_testing;

sub assign {
	my ($name) = @_;
	my $user = $s->unique_user;
	$s->psql("SELECT ensure_user('$user', NULL)");
	$s->psql('INSERT INTO instances (name, server_id, lifecycle, assigned_to_user_id, assigned_at, generation)'
		. " VALUES ('$name', '" . server_id($s) . "', 'assigned', '$user', now() - interval '1 day', " . GENERATION . ')');
	return;
}

sub event {
	my ($type, $session, $payload) = @_;
	return { id => sprintf('evt_%026d', ++$number), timestamp => int(time * 1000), event => $type, session => $session,
		metadata => { 'wapool.generation' => '' . GENERATION }, me => undef, payload => $payload };
}

sub message {
	my ($session, $text) = @_;
	return event('message', $session, { id => "false_5511900000001\@c.us_$number", timestamp => int(time),
		from => '5511900000001@c.us', fromMe => JSON::PP::false, to => '5511900000002@c.us', body => $text // 'Bom dia!',
		hasMedia => JSON::PP::false, ack => 1 });
}

sub status {
	my ($session, $word) = @_;
	return event('session.status', $session, { name => $session, status => $word,
		statuses => [{ status => $word, timestamp => int(time * 1000) }] });
}

# Sends them until three at least were received together: nginx opens connections for the first ones, and what
# comes on a new connection comes alone. Returns the answers of the last time.
# make: their requests, anew each time.
sub together {
	my ($make) = @_;
	for my $time (1 .. 6) {
		$s->psql('TRUNCATE webhook_events');
		my @answers = burst_while_locked($s, 'webhook_events', $make->());
		return @answers if grep { $_ >= 3 } shared_by($s, 'webhook', @answers);
	}
	fail('three at least come together');
	return;
}

# Of the stored events, the most that one transaction wrote.
sub most_in_one {
	return $s->psql_value('SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM webhook_events GROUP BY xmin::text) x');
}

sub stored { return $s->psql_value('SELECT count(*) FROM webhook_events') }

sub counted { return $s->psql_value(q{SELECT coalesce(sum(n), 0) FROM counters WHERE family = 'webhooks' AND label = 'kept'}) }

sub statuses { return [map { $_->{status} } @_] }

sub messages {
	my @answers = together(sub { map { webhook($s, message($_)) } @sessions });
	is_deeply statuses(@answers), [(200) x 8], 'all are answered';
	is stored(), 8, 'and stored';
	cmp_ok most_in_one(), '>=', 3, 'three at least in one transaction';
	my ($before, $twice);
	@answers = together(sub {
		($before, $twice) = (counted(), message('loja-1'));
		return ((map { webhook($s, message($_)) } reverse @sessions), (webhook($s, $twice)) x 2);
	});
	is_deeply statuses(@answers), [(200) x 10], 'the same for one that comes twice';
	is +(grep { $_->{json}{duplicate} } @answers), 1, 'which is told once';
	is stored(), 9, 'and stored once';
	is counted() - $before, 9, 'and counted once';
	return;
}

sub others {
	my @answers = together(sub {
		my $forged = message('loja-2');
		return ((map { webhook($s, message($_)) } @sessions),
			webhook($s, status('loja-3', 'WORKING')), webhook($s, status('loja-4', 'FAILED')),
			webhook($s, message('nobody-s')),
			webhook($s, $forged, signature => sign('something else')),
			webhook($s, '{"event":'), webhook($s, '{"event":1}'),
			webhook($s, message('loja-5'), path => '/webhook'),
			webhook($s, message('loja-6'), path => '/webhook/none'));
	});
	is_deeply statuses(@answers), [(200) x 11, 401, 400, 400, 200, 401], 'each its own answer'
		or diag map { "$_->{status} $_->{body}\n" } @answers;
	is stored(), 12, 'what was signed and whole is stored';
	is_deeply [map { $_->[0] } $s->psql(q{SELECT status FROM instances WHERE name IN ('loja-3', 'loja-4') ORDER BY name})],
		[qw(WORKING FAILED)], 'and applied';
	return;
}

sub alone {
	my $user   = $s->unique_user;
	my $secret = 'the secret of a server of his own';
	$s->psql("SELECT ensure_user('$user', NULL)");
	my $own = $s->psql_value("INSERT INTO waha_servers (nome, api_url, webhook_secret, user_id)
		VALUES ('His WAHA', 'http://127.0.0.1:4', '$secret', '$user') RETURNING id");
	$s->maintain('seal');
	my %kind = (
		'acknowledgements' => sub {
			map { webhook($s, event('message.ack', 'loja-1', { id => "true_5511900000001\@c.us_$_", from => '5511900000001@c.us',
				fromMe => JSON::PP::true, ack => 2, ackName => 'DEVICE' })) } 1 .. 8 },
		'messages of a user\'s own server' => sub {
			map { my $body = JSON::PP->new->utf8->canonical->encode(message($_));
				webhook($s, $body, path => "/webhook/$own", signature => sign($body, $secret)) } @sessions },
		'large messages' => sub { map { webhook($s, message($_, 'x' x 70_000)) } @sessions });
	for my $kind (sort keys %kind) {
		is_deeply statuses(together($kind{$kind})), [(200) x 8], $kind;
		is stored(), 8, 'all are stored';
		is most_in_one(), 1, 'each by itself';
	}
	return;
}

sub poisoned {
	$s->psql(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN IF NEW.payload::text LIKE '%poison%' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$});
	$s->psql('CREATE TRIGGER refuse BEFORE INSERT ON webhook_events FOR EACH ROW EXECUTE FUNCTION refuse()');
	my @answers = together(sub { map { webhook($s, message($_, $_ eq 'loja-4' ? 'poison' : undef)) } @sessions });
	is_deeply statuses(@answers), [(200) x 3, 500, (200) x 4], 'only that one fails';
	$s->psql('DROP TRIGGER refuse ON webhook_events; DROP FUNCTION refuse()');
	is $s->psql_value(q{SELECT count(*) FROM webhook_events WHERE payload::text LIKE '%poison%'}), 0, 'and is not stored';
	my ($again) = burst($s, webhook($s, message('loja-4', 'poison')));
	is $again->{status}, 200, 'it is when it is sent again';
	return;
}

sub secret {
	my $secret = 'the secret of this server';
	my $server = $s->psql_value("INSERT INTO waha_servers (nome, api_url, webhook_secret)
		VALUES ('Another WAHA', 'http://127.0.0.1:3', '$secret') RETURNING id");
	$s->maintain('seal');
	my $requests = sub {
		my ($key) = @_;
		return map {
			my $body = JSON::PP->new->utf8->canonical->encode(message($_));
			webhook($s, $body, path => "/webhook/$server", signature => sign($body, $key)) } @sessions;
	};
	# anew each time: who is refused has been looked up, and with that the secret before is forgotten
	my $change = sub {
		my $former = $secret;
		is_deeply statuses(burst($s, $requests->($former))), [(200) x 8], 'its secret';
		$secret .= ', changed';
		$s->psql("UPDATE waha_servers SET webhook_secret = '$secret' WHERE id = '$server'");
		$s->maintain('seal');
		$s->psql("UPDATE waha_servers SET webhook_secret_former_until = now() WHERE id = '$server'");
		return $requests->($former);
	};
	is_deeply statuses(together($change)), [(401) x 8], 'it is none any more, although it is remembered';
	is_deeply statuses(burst($s, $requests->($secret))), [(200) x 8], 'the new one';
	return;
}

sub away {
	$s->stop_postgres;
	is_deeply statuses(burst($s, map { webhook($s, message($_)) } @sessions)), [(503) x 8], 'all are to be sent again';
	$s->start_postgres;
	return;
}
