#!/usr/bin/perl
# The database: migrations, t/db/*.sql (pgTAP), what many clients do at once, and lib/db against a server
# that stops and starts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib";

use Fcntl qw(F_SETFD);
use File::Temp ();
use IO::Handle ();
use IO::Select ();
use POSIX ();
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);
use TAP::Parser;
use Test::More;

use Wapool::Process qw(find_program run_ok run_program slurp wait_until);
use Wapool::Stack;

my $CLIENTS = 16;

my $s = Wapool::Stack->new;
$s->start_postgres;
my $pg = $s->postgres;

subtest 'migrations' => \&migrations;
make_template();
for my $file (sort glob "$FindBin::Bin/db/*.sql") {
	my ($name) = $file =~ m{([^/]+)\.sql\z};
	subtest "t/db/$name" => sub { pgtap($file) } unless $name =~ /\A_/;
}
subtest '60 users claim 50 instances at once'     => \&many_claim;
subtest 'one user clicks 16 times at once'        => \&one_claims;
subtest 'limits hold for 16 requests at once'     => \&limits_hold;
subtest 'claims race a release by hand'           => \&claim_against_hand;
subtest 'claims race the deleting of their users' => \&claim_against_delete;
subtest 'two refills at once'                     => \&refill_twice;
subtest 'helpers share the work'                  => \&helpers;
subtest 'instances move both ways at once'        => \&moves;
subtest 'an event that comes many times at once'  => \&same_event;
subtest 'a key that comes many times at once'     => \&same_key;
subtest 'everything at once'                      => \&everything;
subtest 'lib/send'                                => \&lib_send;
subtest 'lib/db'                                  => \&lib_db, 'db-check';
subtest 'lib/db: the pool, and servers that go'   => \&lib_db, 'db-pool-check';
subtest 'lib/news: told after the commit'          => \&lib_db, 'news-check';
done_testing;

# --- Tools ---

# What a database's schema is, as text.
sub schema_of {
	my ($database) = @_;
	return run_ok(["$pg->{bin}/pg_dump", '--schema-only', '--schema=public'],
		env => $pg->login_env('wapool', $database)) =~ s/^\\(?:un)?restrict .*\n//gmr;
}

sub sqitch {
	my (@args) = @_;
	return run_program([find_program('sqitch'), '--chdir', "$s->{root}/migrations", @args, 'db:pg:wapool'],
		env => {
			%{ $pg->login_env('wapool', 'wapool') },
			SQITCH_USER_CONFIG => '/nonexistent', SQITCH_SYSTEM_CONFIG => '/nonexistent',
			SQITCH_FULLNAME => 'wapool', SQITCH_EMAIL => 'wapool@localhost' });
}

# Runs SQL in a database as the role that responders use; dies if it fails. The first field.
sub sql {
	my ($database, $sql, $role) = @_;
	my ($status, $output) = $pg->psql_program($role // 'wapool', $database, $sql);
	die "SQL: $output" if $status != 0;
	$output =~ s/[\x1e\x1f\n].*//s;
	return $output;
}

# The database that every test copies: the migrations, pgTAP, and what the tests build scenes from.
sub make_template {
	sql('postgres', 'CREATE DATABASE scenes TEMPLATE wapool OWNER wapool', 'postgres');
	sql('scenes', 'GRANT authenticated, service_role TO wapool', 'postgres'); # so that tests can be them
	sql('scenes', 'CREATE SCHEMA tap AUTHORIZATION wapool; GRANT USAGE ON SCHEMA tap TO PUBLIC; CREATE EXTENSION pgtap SCHEMA tap;
		ALTER DATABASE scenes SET search_path = public, tap', 'postgres');
	sql('scenes', slurp("$FindBin::Bin/db/_fixtures.sql"));
	return;
}

# A database of its own, for a test that commits.
my $copies = 0;

sub copy {
	my $name = 'copy' . ++$copies;
	sql('postgres', "CREATE DATABASE $name TEMPLATE scenes OWNER wapool", 'postgres');
	sql('postgres', "ALTER DATABASE $name SET search_path = public, tap", 'postgres');
	return $name;
}

sub psql_command {
	return ("$pg->{bin}/psql", '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', @_);
}

# Relays the results of one file as our own.
sub pgtap {
	my ($file) = @_;
	my ($status, $output) = run_program([psql_command('-f', $file)],
		env => { %{ $pg->login_env('wapool', 'scenes') }, PGAPPNAME => 'db.t' }, err => \my $complaint);
	relay($output);
	is $status, 0, 'psql ran to the end' or diag $complaint;
	return;
}

sub relay {
	my ($text) = @_;
	my $parser = TAP::Parser->new({ tap => $text });
	my $ok = 1;
	while (my $result = $parser->next) {
		if ($result->is_test) { $ok = ok $result->is_ok, $result->description =~ s/\A- //r }
		elsif ($result->is_comment && !$ok) { diag $result->comment }
	}
	ok !$parser->parse_errors, 'its plan was kept' or diag $parser->parse_errors;
	return;
}

# Runs scripts in as many psql at once, none before all are connected (a pair [before, script] does the first
# part earlier). Returns their outputs, in order;
# what failed becomes a failed test.
sub at_once {
	my ($database, @scripts) = @_;
	my $gate = open_client($database, "BEGIN; LOCK TABLE gate;\n");
	my @clients = map {
		my ($before, $script) = ref ? @$_ : ('', $_);
		open_client($database, "$before\nSELECT 'through' FROM gate LIMIT 0;\n$script\n", 1)
	} @scripts;
	wait_until(30, sub {
		sql('postgres', "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE d.datname = '$database' AND NOT granted", 'postgres') == @scripts })
		or diag 'not all clients came to the gate';
	close_client($gate);
	my @results = map { close_client($_) } @clients;
	my @failed = grep { $_->{status} != 0 || $_->{complaint} ne '' } @results;
	is scalar @failed, 0, @scripts . ' clients ran without an error'
		or diag map { $_->{complaint} } @failed;
	return map { $_->{output} } @results;
}

# A psql that reads what we write; with `last` nothing more will come.
sub open_client {
	my ($database, $text, $last) = @_;
	my ($out, $err) = (File::Temp->new, File::Temp->new);
	sql($database, 'CREATE TABLE IF NOT EXISTS gate ()') unless $last;
	pipe my $in_r, my $in_w or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		POSIX::dup2(fileno $in_r, 0);
		POSIX::dup2(fileno $out, 1);
		POSIX::dup2(fileno $err, 2);
		%ENV = (%{ $pg->login_env('wapool', $database) }, PGAPPNAME => 'db.t');    ## no critic
		exec { "$pg->{bin}/psql" } psql_command() or POSIX::_exit(127);
	}
	close $in_r;
	$in_w->autoflush(1);
	local $SIG{PIPE} = 'IGNORE';
	print {$in_w} $text;
	close $in_w if $last;
	unless ($last) {
		wait_until(30, sub { sql($database, q{SELECT count(*) FROM pg_locks
			WHERE relation = 'gate'::regclass AND mode = 'AccessExclusiveLock' AND granted}) })
			or die 'the gate does not close';
	}
	return { pid => $pid, in => $in_w, out => $out, err => $err };
}

sub close_client {
	my ($client) = @_;
	close $client->{in} if $client->{in}->opened;
	waitpid $client->{pid}, 0;
	return { status => $?, output => slurp($client->{out}->filename), complaint => slurp($client->{err}->filename) };
}

# n statements for n people, dealt out to the clients.
sub deal {
	my ($clients, @statements) = @_;
	my @script = ('') x $clients;
	$script[$_ % $clients] .= "$statements[$_]\n" for 0 .. $#statements;
	return @script;
}

# What must hold whatever happened.
sub invariants {
	my ($database) = @_;
	is sql($database, 'SELECT count(*) FROM (SELECT device_id FROM instances WHERE device_id IS NOT NULL
		GROUP BY 1 HAVING count(*) > 1) d'), 0, 'no device has two instances';
	is sql($database, q{SELECT count(*) FROM instances
		WHERE (lifecycle = 'assigned') <> (assigned_to_user_id IS NOT NULL AND device_id IS NOT NULL)}), 0,
		'who is assigned has an owner, nobody else has';
	is sql($database, 'SELECT count(*) FROM instances i JOIN devices d ON d.id = i.device_id
		WHERE d.user_id <> i.assigned_to_user_id'), 0, 'the device is its owner\'s';
	is sql($database, q{SELECT coalesce(string_agg(w, ', '), '') FROM wrong_counts() w}), '',
		'every server\'s count is true';
	is sql($database, 'SELECT count(*) FROM waha_servers WHERE sessions_ativas > max_sessions'), 0,
		'no server has more than it may';
	is sql($database, q{SELECT count(*) FROM instances i WHERE epoch <> (SELECT count(*) FROM instance_events e
		WHERE e.instance_id = i.id AND e.to_state = 'assigned')}), 0, 'every epoch has an entry in the trail';
	is sql($database, q{SELECT count(*) FROM (SELECT instance_id, epoch FROM instance_events
		WHERE to_state = 'assigned' GROUP BY 1, 2 HAVING count(*) > 1) e}), 0, 'and only one';
	is sql($database, q{SELECT count(*) FROM (SELECT from_state, lag(to_state) OVER
		(PARTITION BY instance_id ORDER BY id) AS before FROM instance_events WHERE kind = 'transition') e
		WHERE from_state IS DISTINCT FROM before}), 0, 'each entry begins where the one before ended';
	is sql($database, 'SELECT count(*) FROM instances WHERE is_pooled
		<> (origin = \'pool\' AND lifecycle IN (\'standby\', \'assigned\'))'), 0, 'is_pooled is true';
	return;
}

# --- Migrations ---

sub migrations {
	my ($status, $output) = sqitch('deploy', '--verify');
	is $status, 0, 'they deploy' or diag $output;
	my $schema = schema_of('wapool');
	like $schema, qr/CREATE TABLE public\.instances/, 'the schema is there';
	($status, $output) = sqitch('deploy', '--verify');
	is $status, 0, 'a second time';
	like $output, qr/Nothing to deploy/, 'there is nothing to do';
	is schema_of('wapool'), $schema, 'and nothing changed';

	($status, $output) = sqitch('revert', '-y');
	is $status, 0, 'they revert' or diag $output;
	is sql('wapool', q{SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace)
		+ (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)
		+ (SELECT count(*) FROM pg_type WHERE typnamespace = 'public'::regnamespace)}), 0, 'nothing is left behind';
	($status, $output) = sqitch('deploy', '--verify');
	is $status, 0, 'and deploy again' or diag $output;
	is schema_of('wapool'), $schema, 'to the same schema';
	($status, $output) = sqitch('verify');
	is $status, 0, 'which verifies' or diag $output;

	# with people in it, the tables go all the same
	sql('wapool', q{INSERT INTO users (email) VALUES ('ana@example.org');
		INSERT INTO waha_servers (nome, api_url) VALUES ('s', 'http://s');
		INSERT INTO instances (name, server_id) SELECT 'one', id FROM waha_servers;
		UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid();
		SELECT pool_claim(id, NULL, NULL, 0) FROM users WHERE email IS NOT NULL});
	($status, $output) = sqitch('revert', '-y');
	is $status, 0, 'they revert with data in the tables' or diag $output;

	# a hosting's own clients, which belong to somebody else
	sql('wapool', q{CREATE TABLE clientes (id bigint PRIMARY KEY, nome text NOT NULL, instancia_preferida varchar(50));
		INSERT INTO clientes VALUES (1, 'Ana'); GRANT SELECT, UPDATE ON clientes TO wapool}, 'postgres');
	($status, $output) = sqitch('deploy', '--verify');
	is $status, 0, 'they deploy beside a table of clients' or diag $output;
	is sql('wapool', q{SELECT cliente_preferred(gen_random_uuid(), '1') IS NULL}), 't', 'and use it';
	($status, $output) = sqitch('revert', '-y');
	is $status, 0, 'they revert' or diag $output;
	is sql('wapool', 'SELECT nome FROM clientes'), 'Ana', 'and leave it';
	sql('wapool', 'DROP TABLE clientes', 'postgres');
	ok eval { $s->deploy; 1 }, 'and the stack deploys them' or diag $@;
	return;
}

# --- Many at once ---

sub many_claim {
	my $db = copy();
	sql($db, q{SELECT make_many('free', 25, 'standby'), make_many('more', 25, 'standby', 't')});
	my @names = map { split /\n/ } at_once($db, deal($CLIENTS, map {
		"SELECT outcome, name FROM pool_claim(gen_random_uuid(), 'u$_\@example.org', NULL, 0);" } 1 .. 60));
	my @got = grep { /\Aclaimed\|/ } @names;
	my %distinct = map { $_ => 1 } @got;
	is scalar @got,                         50, '50 got one';
	is scalar keys %distinct,               50, 'each another one';
	is scalar(grep { $_ eq 'empty|' } @names), 10, '10 were told that there is none';
	is sql($db, q{SELECT count(*) FROM instances WHERE lifecycle = 'standby'}), 0, 'none was left lying';
	invariants($db);
	return;
}

sub one_claims {
	my $db = copy();
	sql($db, q{SELECT make_many('free', 20, 'standby')});
	my @answers = map { split /\n/ } at_once($db, (
		q{SELECT outcome, name FROM pool_claim('7f9c24e8-3b0a-4c7e-9d6f-2b1e8a5c4d30', 'ana@example.org', NULL, 0);}) x $CLIENTS);
	my %name = map { (split /\|/)[1] => 1 } @answers;
	is scalar keys %name, 1, 'all were given the same one';
	is scalar(grep { /\Aclaimed/ } @answers), 1, 'one claimed it, the others found it';
	is sql($db, 'SELECT count(*) FROM users WHERE id <> platform_user()'), 1, 'the user was made once';
	is sql($db, 'SELECT count(*) FROM devices'), 1, 'and so was his device';
	is sql($db, q{SELECT count(*) FROM instances WHERE lifecycle = 'standby'}), 19, '19 are still free';
	invariants($db);
	return;
}

# Each as the program does it: asked for room, then added, in one transaction.
sub limits_hold {
	my $db = copy();
	sql($db, q{SELECT somebody('ana'); SELECT somebody('bia')});
	my $server = q{BEGIN; SELECT server_room(somebody('ana'), 3) AS room \gset
		\if :room
		INSERT INTO waha_servers (user_id, nome, api_url) VALUES (somebody('ana'), 's', 'https://' || gen_random_uuid() || '.example');
		\endif
		COMMIT;};
	at_once($db, ($server) x $CLIENTS, (q{SELECT device_add(somebody('bia'), NULL, NULL, 3);}) x $CLIENTS);
	is sql($db, q{SELECT count(*) FROM waha_servers WHERE user_id = somebody('ana')}), 3, 'three servers, not one more';
	is sql($db, q{SELECT count(*) FROM devices WHERE user_id = somebody('bia')}), 3, 'three devices';
	return;
}

# A loop in the server, each turn a transaction of its own.
sub loop {
	my ($times, $body, $declare) = @_;
	$declare //= '';
	return "DO \$\$ DECLARE $declare t integer; BEGIN FOR t IN 1..$times LOOP $body COMMIT; END LOOP; END \$\$;";
}

sub claim_against_hand {
	my $db = copy();
	sql($db, q{SELECT make_many('free', 3, 'standby'); SELECT somebody('ana')});
	my $claim = loop(60, q{
		SELECT * INTO c FROM claims('ana');
		IF c.outcome NOT IN ('own', 'claimed', 'empty') THEN RAISE 'outcome %', c.outcome; END IF;
		IF c.outcome <> 'empty' AND c.device_id <> device_of(somebody('ana'), NULL) THEN RAISE 'not her device'; END IF;},
		'c claim;');
	my $hand = loop(60, q{
		UPDATE instances SET assigned_to_user_id = NULL, status = 'disconnected' WHERE assigned_to_user_id IS NOT NULL;});
	my $make = loop(60, q{
		SELECT * INTO w FROM work_claim('1 minute');
		IF w.id IS NOT NULL THEN PERFORM work_done(w.id, w.work_token); END IF;}, 'w instances;');
	at_once($db, ($claim) x 6, ($hand) x 2, ($make) x 3);
	invariants($db);
	is sql($db, q{SELECT count(*) FROM instance_events WHERE from_state = 'assigned' AND to_state <> 'recycling'}), 0,
		'nothing released went to anybody before it was emptied';
	return;
}

sub claim_against_delete {
	my $db = copy();
	sql($db, q{SELECT make_many('free', 8, 'standby')});
	my $claim = loop(40, q{
		BEGIN
			PERFORM pool_claim(('7f9c24e8-3b0a-4c7e-9d6f-2b1e8a5c4d' || to_char(t % 4, 'FM00'))::uuid, NULL, NULL, 0);
		EXCEPTION WHEN foreign_key_violation OR deadlock_detected THEN
			NULL; -- he was deleted in the midst of it
		END;});
	my $delete = loop(40, q{
		BEGIN
			DELETE FROM users WHERE id = ('7f9c24e8-3b0a-4c7e-9d6f-2b1e8a5c4d' || to_char(t % 4, 'FM00'))::uuid;
		EXCEPTION WHEN deadlock_detected THEN
			NULL;
		END;});
	my $make = loop(60, q{
		SELECT * INTO w FROM work_claim('1 minute');
		IF w.id IS NOT NULL THEN PERFORM work_done(w.id, w.work_token); END IF;}, 'w instances;');
	at_once($db, ($claim) x 4, ($delete) x 2, ($make) x 2);
	sql($db, 'DELETE FROM users');
	is sql($db, q{SELECT count(*) FROM instances WHERE lifecycle = 'assigned'}), 0, 'nobody is left, nothing is assigned';
	invariants($db);
	return;
}

sub refill_twice {
	my $db = copy();
	sql($db, q{SELECT server('s')});
	my @orders = at_once($db, ('SELECT pool_refill(10, 5, 10, 1000, false);') x 2);
	is join('+', sort map { /(\d+)/ } @orders), '0+10', 'one ordered 10, the other none';
	is sql($db, 'SELECT count(*) FROM instances'), 10, 'there are 10';

	sql($db, q{UPDATE waha_servers SET max_sessions = 25});
	at_once($db, ('SELECT pool_refill(100, 50, 10, 1000, true);') x $CLIENTS);
	is sql($db, 'SELECT count(*) FROM instances'), 25, 'many refills never exceed a server\'s room';

	# the lock that makes them one at a time ends with its transaction
	at_once($db, "BEGIN; SELECT pool_refill(100, 50, 10, 1000, true); SELECT pg_sleep(0.2); ROLLBACK;",
		'SELECT pool_refill(100, 50, 10, 1000, true);');
	invariants($db);
	return;
}

sub helpers {
	my $db = copy();
	sql($db, q{SELECT make_many('new', 20, 'provisioning'), make_many('old', 20, 'recycling')});
	my @taken = map { split /\n/ } at_once($db, (q{SELECT name FROM work_claim('1 minute', 100);} x 4) x $CLIENTS);
	my %distinct = map { $_ => 1 } @taken;
	is scalar @taken, 40, 'all the work was taken';
	is scalar keys %distinct, 40, 'each item by one helper';
	is sql($db, 'SELECT count(*) FROM instances WHERE generation <> 1'), 0, 'once';
	@taken = map { split /\n/ } at_once($db, (q{SELECT id FROM server_check_claim('1 minute') AS id;}) x 4);
	is scalar @taken, 1, 'a server is looked at by one of them';
	return;
}

# Making fails here and there, servers go down and come back: instances move between servers in every
# direction while others are ordered.
sub moves {
	my $db = copy();
	sql($db, q{SELECT make_many('from-' || s, 4, 'provisioning', s) FROM unnest('{a,b,c,d}'::text[]) s});
	sql($db, 'UPDATE waha_servers SET max_sessions = 16'); # places are few: some go while another looks at them
	my $move = loop(60, q{
		SELECT * INTO w FROM work_claim('1 minute');
		IF w.id IS NOT NULL THEN PERFORM work_failed(w.id, w.work_token, 'x', '0', true); END IF;}, 'w instances;');
	my $order = loop(40, q{PERFORM pool_refill(100, 100, 4, 60, true);});
	my $flap = loop(80, q{UPDATE waha_servers SET health = CASE WHEN health = 'up' THEN 'down' ELSE 'up' END
		WHERE nome = substr('abcd', 1 + t % 4, 1);});
	at_once($db, ($move) x 10, ($order) x 2, $flap);
	is sql($db, q{SELECT count(*) FROM instances WHERE work_token IS NOT NULL}), 0, 'every failure was written down';
	invariants($db);
	return;
}

sub same_event {
	my $db = copy();
	sql($db, q{SELECT make('one', 'assigned', 'ana')});
	my @outcomes = map { split /\n/ } at_once($db, (q{SELECT webhook_store(server('s'), 'status.instance|1', 'status.instance', '1',
		NULL, 'one', clock_timestamp(), NULL, 'disconnected', clock_timestamp(), NULL, NULL, true, '{}');}) x $CLIENTS);
	is join(' ', map { my $o = $_; "$o:" . grep { $_ eq $o } @outcomes } qw(applied duplicate)),
		'applied:1 duplicate:' . ($CLIENTS - 1), 'it was applied once';
	is sql($db, 'SELECT count(*) FROM webhook_events'), 1, 'and is stored once';
	invariants($db);
	return;
}

sub same_key {
	my $db = copy();
	sql($db, q{SELECT somebody('ana')});
	my @outcomes = map { split /\n/ } at_once($db,
		(q{SELECT outcome FROM idempotency_begin(somebody('ana'), NULL, '/r', 'k', 'f', '1 minute');}) x $CLIENTS);
	is scalar(grep { $_ eq 'new' } @outcomes), 1, 'one request runs';
	is scalar(grep { $_ eq 'busy' } @outcomes), $CLIENTS - 1, 'the others are told to wait';
	return;
}

# Clicks, farewells, webhooks, hands, helpers, looks and refills, all on one small pool.
sub everything {
	my $db = copy();
	sql($db, q{UPDATE waha_servers SET max_sessions = 12; SELECT server('s'), server('t');
		UPDATE waha_servers SET max_sessions = 12; SELECT make_many('s', 5, 'standby'), make_many('t', 5, 'standby', 't');
		SELECT somebody('u' || n) FROM generate_series(0, 19) n});
	my $who = q{who := somebody('u' || floor(random() * 20)::int);};
	my %script = (
		click => loop(150, "$who SELECT * INTO c FROM pool_claim(who, NULL, NULL, 5);
			IF c.outcome <> 'empty' AND random() < 0.5 THEN
				PERFORM instance_observe(c.instance_id, c.generation, '0', 'WORKING', '5511\@c.us', NULL); END IF;
			COMMIT; IF c.outcome = 'empty' THEN PERFORM pg_sleep(0.002);
			ELSIF random() < 0.5 THEN PERFORM pool_release(who, NULL, 'click'); END IF;", 'who uuid; c claim;'),
		swap => loop(100, "$who SELECT * INTO c FROM pool_claim(who, NULL, NULL, 5); COMMIT;
			IF c.outcome <> 'empty' THEN PERFORM pool_swap(c.instance_id, c.epoch, 'x', 5); END IF;", 'who uuid; c claim;'),
		hand => loop(60, 'UPDATE instances SET assigned_to_user_id = NULL WHERE id = (SELECT id FROM instances
			WHERE assigned_to_user_id IS NOT NULL ORDER BY random() LIMIT 1); PERFORM pg_sleep(0.002);'),
		hook => loop(150, "SELECT * INTO w FROM instances WHERE lifecycle = 'assigned' ORDER BY random() LIMIT 1;
			IF w.id IS NOT NULL THEN
				PERFORM webhook_store(w.server_id, gen_random_uuid()::text, 'session.status', NULL, NULL, w.name,
					clock_timestamp(), w.generation, CASE WHEN random() < 0.7 THEN 'WORKING' ELSE 'FAILED' END,
					clock_timestamp(), NULL, NULL, random() < 0.2, '{}'); END IF;",
			'w instances;'),
		help => loop(100_000, "EXIT WHEN pg_try_advisory_xact_lock(1); SELECT * INTO w FROM work_claim('1 minute'); COMMIT;
			IF w.id IS NULL THEN PERFORM pg_sleep(0.002);
			ELSIF random() < 0.8 THEN PERFORM work_done(w.id, w.work_token);
			ELSE PERFORM work_failed(w.id, w.work_token, 'x', '0', true); END IF;", 'w instances;'),
		lost => loop(60, "SELECT * INTO w FROM lost_claim('1 minute'); COMMIT;
			IF w.id IS NULL THEN PERFORM pg_sleep(0.002);
			ELSIF random() < 0.5 THEN PERFORM pool_release_epoch(w.id, w.epoch, 'lost');
			ELSE PERFORM lost_later(w.id, w.work_token, '0'); END IF;", 'w instances;'),
		order => loop(60, q{PERFORM pool_refill(10, 5, 10, 22, true); PERFORM release_unpaired('50 milliseconds');}),
		look  => loop(40, q{PERFORM server_reconcile(server(CASE WHEN t % 2 = 0 THEN 's' ELSE 't' END), 'v', now() - interval '1 day', '1 s', '0', '0',
			'20 milliseconds', (SELECT json_agg(json_build_object('n', name, 'w', CASE WHEN lifecycle = 'assigned' THEN 'WORKING'
			ELSE 'STOPPED' END)) FROM instances WHERE random() < 0.9));}));
	# helpers go on until no user holds this lock any more
	my @users = map { ['DO $$ BEGIN PERFORM pg_advisory_lock_shared(1); END $$;', $_] }
		($script{click}) x 5, ($script{swap}) x 2;
	at_once($db, @users, ($script{hook}) x 2, ($script{help}) x 3, @script{qw(hand lost order look)});
	cmp_ok sql($db, q{SELECT count(*) FROM instance_events WHERE to_state = 'assigned'}), '>', 50, 'there were many assignments';
	is sql($db, 'SELECT count(*) FROM instances WHERE generation = 0 AND lifecycle = \'standby\' AND name LIKE \'pool-%\''), 0,
		'what was ordered was made before it stood by';
	invariants($db);

	# and when all have gone home, the pool comes back
	sql($db, q{UPDATE instances SET lifecycle = 'recycling' WHERE lifecycle = 'assigned'});
	sql($db, q{UPDATE instances SET work_lease_until = NULL, work_next_at = now() - interval '1 s'});
	sql($db, q{DO $$ DECLARE w instances; BEGIN
		LOOP
			SELECT * INTO w FROM work_claim('1 minute');
			EXIT WHEN w.id IS NULL;
			PERFORM work_done(w.id, w.work_token);
		END LOOP; END $$});
	is sql($db, q{SELECT count(*) FROM instances WHERE lifecycle <> 'standby'}), 0, 'in the end all stand by again';
	cmp_ok sql($db, 'SELECT free FROM pool_status'), '>=', 10, 'as many as there should be';
	return;
}

# --- lib/send, lib/db ---

sub lib_send {
	my $program = "$s->{build}/t/pg/send-check";
	ok -x $program, 'it is built' or return;
	my $db = copy();
	my ($status, $output) = run_program([$program], err => \my $complaint, env => { PATH => '/usr/bin:/bin',
		WAPOOL_TEST_DATABASE_URL => $s->database_url =~ s{/wapool\?}{/$db?}r, map { $_ => $ENV{$_} } grep { /\A(?:CK_|.*SAN_OPTIONS)/ } keys %ENV });
	is $status, 0, 'it succeeds' or diag $complaint;
	relay($output);
	return;
}

# Runs a program of t/pg that tests lib/db, and does to the server what it asks for on fd WAPOOL_TEST_CONTROL:
# a line "stop" or "start", answered by "done".
sub lib_db {
	my ($name) = @_;
	my $program = "$s->{build}/t/pg/$name";
	ok -x $program, 'it is built' or return;
	socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
	my ($out, $err) = (File::Temp->new, File::Temp->new);
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		fcntl $theirs, F_SETFD, 0;
		POSIX::dup2(fileno $out, 1);
		POSIX::dup2(fileno $err, 2);
		$ENV{WAPOOL_TEST_DATABASE_URL} = $s->database_url;    ## no critic
		$ENV{WAPOOL_TEST_CONTROL} = fileno $theirs;           ## no critic
		exec {$program} $program or POSIX::_exit(127);
	}
	close $theirs;
	$ours->autoflush(1);
	local $SIG{PIPE} = 'IGNORE';
	while (my $line = <$ours>) {
		if    ($line eq "stop\n")  { $s->stop_postgres }
		elsif ($line eq "start\n") { $pg->start }
		print {$ours} "done\n";
	}
	waitpid $pid, 0;
	is $? >> 8, 0, 'it succeeds' or diag slurp($err->filename);
	relay(slurp($out->filename));
	$pg->start unless $pg->answers;
	return;
}
