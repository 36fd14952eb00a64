#!/usr/bin/perl
# wapoolctl: every command, what it prints for people and for scripts, its exit status, and what it never
# prints.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Encode qw(decode_utf8);
use HTTP::Tiny;
use IPC::Open2 qw(open2);
use JSON::PP ();
use Test::More;

use Wapool::Test qw(stack sim sim_session scan faults eventually eventually_ok instance_of lifecycle present_name json_of
	invariants_ok);

use constant { DONE => 0, REFUSED => 1, NOT_WELL => 2, USAGE => 100, TROUBLE => 111 };

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(env => { POOL_TARGET => 3, POOL_LOW => 2, POOL_STEP => 2 });
$s->wait_ready;

subtest 'usage and help'                       => \&usage;
subtest 'users'                                => \&users;
subtest 'a disabled user cannot log in'        => \&disabled;
subtest 'instance add'                         => \&instance_add;
subtest 'instance add from a list'             => \&instance_list;
subtest 'list'                                 => \&list;
subtest 'pages of a list'                      => \&pages;
subtest 'show'                                 => \&show;
subtest 'release'                              => \&release;
subtest 'check'                                => \&check;
subtest 'recover'                              => \&recover;
subtest 'cleanup'                              => \&cleanup;
subtest 'cleanup, answered late'               => \&cleanup_late;
subtest 'pool and servers'                     => \&pool;
subtest 'at a terminal'                        => \&terminal;
subtest 'telephone numbers and secrets'        => \&secrets;
subtest 'a profile that moves the cursor'      => \&escape;
subtest 'without a database'                   => \&no_database;
invariants_ok($s, 'in the end');
$s->stop;
done_testing;

# --- Tools ---

# (status, text)
sub ctl {
	my ($status, $output) = $s->ctl(@_);
	return ($status, decode_utf8($output));
}

# The JSON document that it prints; the test is that it succeeds and prints nothing else.
sub json {
	my (@args) = @_;
	my ($status, $output) = $s->ctl(@args, '--json');
	my $value = eval { json_of($output) };
	ok $status == DONE && defined $value, "@args --json" or diag "$status $output";
	return $value;
}

sub status_is {
	my ($want, $like, $what, @args) = @_;
	my ($status, $output) = ctl(@args);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is $status, $want, $what or diag $output;
	like $output, $like, 'and says so';
	return $output;
}

# A table's rows as hashes by its heads; cells are at least two spaces apart.
sub rows_of {
	my ($table) = @_;
	my ($head, @lines) = split /\n/, $table =~ s/\n\n.*//sr;
	my (@names, @starts);
	while ($head =~ /(\S+)/g) {
		push @names, $1;
		push @starts, $-[1];
	}
	return map {
		my $line = $_;
		+{ map {
			my $end = $_ < $#starts ? $starts[$_ + 1] : length $line;
			($names[$_] => $starts[$_] < length $line ? substr($line, $starts[$_], $end - $starts[$_]) =~ s/ +\z//r : '')
		} 0 .. $#names };
	} @lines;
}

# Does it, and again if the helper has changed meanwhile what that statement tells; what it told before and after.
sub unchanged {
	my ($sql, $do) = @_;
	my $before;
	eventually_ok('what is compared stays as it is meanwhile', sub {
		$before = $s->psql_value($sql);
		$do->();
		$before eq $s->psql_value($sql);
	});
	return $before;
}

my $phones;

# A user whose phone is connected: (his id, his instance's name).
sub paired_user {
	my $user = $s->unique_user;
	my $answer;
	eventually_ok('he gets an instance', sub {
		$answer = $s->http(POST => '/api/whatsapp/connect', token => $s->token($user, email => "u$user\@example.org"));
		$answer->{status} == 200 }) or diag $answer->{body};
	my $name = instance_of($s, $user)->{name};
	scan($s, $name, sprintf '55119%08d', 20_000_000 + ++$phones);
	eventually_ok('his phone is connected', sub { (instance_of($s, $user)->{status} // '') eq 'WORKING' });
	return ($user, $name);
}

# --- Commands ---

sub usage {
	my ($status, $help) = ctl('--help');
	is $status, DONE, '--help';
	my @words = $help =~ /^  ([a-z]+(?: [a-z]+)?)(?: |$)/mg;
	cmp_ok scalar @words, '>', 10, 'lists commands';
	for my $words (@words) {
		status_is(DONE, qr/^  \Q$words\E\b.*\n      \S/m, "$words --help", split(/ /, $words), '--help');
		status_is(USAGE, qr/there is no option --nonsense|usage: wapoolctl \Q$words\E/, "$words --nonsense",
			split(/ /, $words), '--nonsense') unless $words eq 'config' || $words eq 'key create';
	}
	status_is(DONE, qr/^wapoolctl \d+\.\d+\.\d+$/, '--version', '--version');
	status_is(USAGE, qr/usage:/, 'no command');
	status_is(USAGE, qr/usage:/, 'another command', 'dance');
	status_is(USAGE, qr/usage: wapoolctl show/, 'no name', 'show');
	status_is(USAGE, qr/wants a value/, 'an option without its value', 'list', '--health');
	status_is(USAGE, qr/--limit is 1 to/, 'a limit that is none', 'list', '--limit', '9x');
	status_is(REFUSED, qr/there is no such instance/, 'an operand that looks like an option', 'show', '--', '--json');
	return;
}

# What a person sees who runs it at a terminal and types that, or what that code returns, as soon as something is asked:
# (exit status, all that was shown).
sub typed {
	my ($line, @args) = @_;
	my $service = $s->program("$s->{build}/wapoolctl");
	local %ENV = (%ENV, %{ $service->{env} });
	my @as = Wapool::Process::as_user($service->{user});
	my $pid = open2(my $out, my $in, 'script', '--quiet', '--return', '--command',
		"cd '$service->{dir}' && exec " . join(' ', map { "'$_'" } @as, @{ $service->{argv} }, @args), '/dev/null');
	my $shown = '';
	while (sysread $out, $shown, 4096, length $shown) {
		next if !defined $line || $shown !~ /: \z/;
		syswrite $in, (ref $line ? $line->() : $line) . "\n";
		undef $line;
	}
	waitpid $pid, 0;
	return ($? >> 8, $shown =~ s/\r//gr);
}

sub terminal {
	my ($status, $shown) = typed('the password of Tea', qw(user add tea@example.org));
	is $status, DONE, 'user add' or diag $shown;
	like $shown, qr/\APassword: \n[0-9a-f-]{36} tea\@example\.org user\n\z/, 'asks for the password, and does not show it';
	is $s->http(POST => '/api/auth/login', json => { email => 'tea@example.org', password => 'the password of Tea' })->{status}, 200,
		'with which she logs in';
	($status, $shown) = typed("\x03", qw(user add tom@example.org));
	isnt $status, DONE, 'Ctrl-C ends it';
	is $s->psql_value(q{SELECT count(*) FROM users WHERE email = 'tom@example.org'}), 0, 'and nothing was done';
	my (undef, $name) = paired_user();
	($status, $shown) = typed('no', 'release', $name);
	is $status, REFUSED, 'release asks' or diag $shown;
	like $shown, qr/Type yes: /, 'at a terminal';
	is lifecycle($s, $name), 'assigned', 'and without a yes does nothing';
	($status, $shown) = typed('yes', 'release', $name);
	is $status, DONE, 'with it' or diag $shown;
	isnt lifecycle($s, $name), 'assigned', 'it is released';
	return;
}

sub users {
	status_is(DONE, qr/\A[0-9a-f-]{36} bia\@example\.org user\n\z/, 'user add', \"a good password\n", qw(user add bia@example.org --password-stdin));
	status_is(DONE, qr/ admin\n\z/, 'with --admin first', \"a good password\n", qw(user add --admin --password-stdin adm@example.org));
	status_is(REFUSED, qr/not an e-mail address/, 'no address', \"a good password\n", qw(user add nobody --password-stdin));
	status_is(REFUSED, qr/password/, 'a short password', \"x\n", qw(user add x@example.org --password-stdin));
	my $all = json('users');
	my ($bia) = grep { $_->{email} eq 'bia@example.org' } @{ $all->{users} };
	is_deeply [@{$bia}{qw(role login instances)}], ['user', 'password', 0], 'users tells role, login and instances';
	is_deeply [grep { $_->{email} eq '' } @{ $all->{users} }], [], 'the platform itself is none of them';
	my (undef, $table) = ctl('users');
	my ($row) = grep { $_->{'E-MAIL'} eq 'adm@example.org' } rows_of($table);
	is_deeply [@{$row}{qw(ROLE LOGIN)}], ['admin', 'password'], 'and as a table';
	my $first = json(qw(users --limit 1));
	my $rest = json(qw(users --cursor), $first->{next});
	is_deeply [map { $_->{id} } @{ $first->{users} }, @{ $rest->{users} }], [map { $_->{id} } @{ $all->{users} }], 'page by page';
	status_is(USAGE, qr/--cursor is/, 'a cursor that is none', qw(users --cursor x));
	return;
}

sub disabled {
	my $login = sub {
		return $s->http(POST => '/api/auth/login', json => { email => 'bia@example.org', password => 'a good password' })->{status};
	};
	is $login->(), 200, 'bia logs in';
	status_is(DONE, qr/disabled/, 'user disable', qw(user disable BIA@example.org));
	is $login->(), 401, 'and cannot any more';
	is +(grep { $_->{email} eq 'bia@example.org' } @{ json('users')->{users} })[0]{login}, 'disabled', 'which users tells';
	status_is(DONE, qr/enabled/, 'user enable', qw(user enable bia@example.org));
	is $login->(), 200, 'she logs in again';
	status_is(REFUSED, qr/no such user/, 'one that is not there', qw(user disable nobody@example.org));
	my $platform = $s->psql_value('SELECT platform_user()');
	status_is(REFUSED, qr/no such user/, 'the platform stays as it is', qw(user enable), $platform);
	return;
}

sub instance_add {
	status_is(DONE, qr/\Avendas made: [0-9a-f-]{36}\n\z/, 'one', qw(instance add vendas --number), '+55 11 98888-7777');
	is sim_session($s, 'vendas')->{status}, 'STOPPED', 'its session is at the gateway, stopped';
	is $s->psql_value(q{SELECT phone_number FROM instances WHERE name = 'vendas'}), '5511988887777', 'with its number';
	status_is(REFUSED, qr/vendas: the name is taken/, 'again', qw(instance add vendas));
	status_is(DONE, qr/vendas is there/, 'which is none with --if-missing', qw(instance add vendas --if-missing));
	my $made = json(qw(instance add suporte estoque --server WAHA));
	is_deeply [map { $_->{nome} } @$made], [qw(suporte estoque)], 'several, on a named server';
	status_is(REFUSED, qr/a name is 1 to 64/, 'a name that is none', 'instance', 'add', 'a b');
	status_is(REFUSED, qr/no telephone number/, 'a number that is none', qw(instance add x --number twelve));
	status_is(REFUSED, qr/no such server/, 'a server that is not there', qw(instance add x --server nowhere));
	status_is(USAGE, qr/usage/, 'one number for two', qw(instance add x y --number 5511988887777));
	is $s->psql_value(q{SELECT count(*) FROM instances WHERE name IN ('x', 'y')}), 0, 'nothing was made of these';
	like $s->psql_value(q{SELECT actor FROM instance_events e JOIN instances i ON i.id = e.instance_id
		WHERE i.name = 'vendas' ORDER BY e.id LIMIT 1}), qr/\Awapoolctl \([a-z0-9_.-]+\)\z/, 'the trail names who ran it';
	my $qr = $s->http(GET => '/admin/instances/vendas/qrcode', token => $s->admin_token($s->unique_user));
	is $qr->{status}, 200, 'its QR is there for who asks' or diag $qr->{body};
	return;
}

sub instance_list {
	my $list = "# the shops\nloja-1 +55 11 98888-0001\nloja-2   # no number yet\n\nvendas\r\n";
	status_is(REFUSED, qr/\A(?=.*loja-1 made)(?=.*loja-2 made)(?=.*vendas: the name is taken)/s, 'one is taken: the others are made', \$list, qw(instance add -));
	status_is(DONE, qr/loja-1 is there\nloja-2 is there\nvendas is there\n/, 'the same list again', \$list, qw(instance add - --if-missing));
	is $s->psql_value(q{SELECT string_agg(name || ' ' || coalesce(phone_number, '-'), ', ' ORDER BY name) FROM instances
		WHERE name LIKE 'loja-%'}), 'loja-1 5511988880001, loja-2 -', 'with their numbers';
	my $long = '#' . 'x' x 300 . " y vendas-2\nloja-3 # " . 'x' x 300 . " z vendas-3\n" . 'x' x 255 . "loja-4\n";
	status_is(REFUSED, qr/\A(?=.*loja-3 made)(?=.*x{255}loja-4: a name is )(?!.*vendas)/s, 'lines of any length', \$long, qw(instance add -));
	return;
}

sub list {
	my ($user, $name) = paired_user();
	my ($table, $all);
	my $names = unchanged(q{SELECT string_agg(name, ' ' ORDER BY name) FROM instances WHERE lifecycle <> 'retired'}, sub {
		(undef, $table) = ctl('list');
		$all = json('list');
	});
	my %row = map { $_->{NAME} => $_ } rows_of($table);
	is_deeply [@{ $row{$name} }{qw(LIFECYCLE STATUS SERVER OWNER)}], ['assigned', 'WORKING', 'WAHA', "u$user\@example.org"], 'a table';
	is join(' ', sort keys %row), join(' ', sort split / /, $names), 'of all';
	is_deeply [sort map { $_->{nome} } @{ $all->{instances} }], [sort keys %row], 'the same as JSON';
	my %filter = (
		'--lifecycle standby'  => sub { $_->{lifecycle} eq 'standby' },
		'--status connected'   => sub { $_->{nome} eq $name },
		'--text LOJA'          => sub { $_->{nome} =~ /loja/ },
		'--server WAHA --lifecycle assigned' => sub { $_->{lifecycle} eq 'assigned' });
	eventually_ok('some stand by', sub { $s->psql_value(q{SELECT count(*) FROM instances WHERE lifecycle = 'standby'}) });
	for my $args (sort keys %filter) {
		my @rows = @{ json('list', split / /, $args)->{instances} };
		cmp_ok scalar @rows, '>', 0, 'finds some';
		is scalar(grep { !$filter{$args}->() } @rows), 0, 'and nothing else';
	}
	is_deeply json(qw(list --server nowhere)), { instances => [], next => undef }, 'nothing is an empty list';
	return;
}

sub pages {
	my @names = map { $_->{nome} } @{ json(qw(list --lifecycle assigned))->{instances} };
	my @more;
	my @paged;
	do {
		my $page = json(qw(list --lifecycle assigned --limit 2), @more);
		push @paged, map { $_->{nome} } @{ $page->{instances} };
		@more = defined $page->{next} ? ('--cursor', $page->{next}) : ();
	} while @more && @paged < 100;
	is_deeply \@paged, \@names, 'page by page, each once';
	status_is(DONE, qr/^More: --cursor \S+$/m, 'a table tells how to go on', qw(list --limit 1));
	status_is(REFUSED, qr/cursor/, 'a cursor that is none', qw(list --cursor nonsense));
	return;
}

sub show {
	my ($user, $name) = paired_user();
	my ($status, $text) = ctl('show', $name);
	is $status, DONE, 'show';
	my ($record, $trail) = split /\n\n/, $text;
	like $record, qr/^lifecycle +assigned$/m, 'its record';
	like $record, qr/^user +\Q$user\E$/m, 'whose it is';
	my @events = rows_of($trail);
	is_deeply [map { $_->{CHANGE} } grep { $_->{WHAT} eq 'transition' } @events],
		['provisioning', 'provisioning -> standby', 'standby -> assigned'], 'what happened to it';
	my ($claim) = grep { $_->{CHANGE} eq 'standby -> assigned' } @events;
	is_deeply [@{$claim}{qw(BY WHY)}], ['connect', 'claimed'], 'by whom and why';
	like $claim->{AFTER}, qr/\A[0-9.]+ (?:ms|s|min [0-9]+ s)\z/, 'and how long it had stood by';

	my $json = json('show', $name);
	is $json->{instance}{nome}, $name, 'as JSON';
	cmp_ok +(grep { ($_->{to} // '') eq 'assigned' } @{ $json->{events} })[0]{durationMs}, '>', 0, 'with durations';
	is json('show', $json->{instance}{id})->{instance}{nome}, $name, 'by its id';

	$s->http(POST => '/api/whatsapp/disconnect', token => $s->token($user));
	eventually_ok('emptied, it has another name', sub { present_name($s, $name) ne $name });
	my $former = json('show', $name);
	is $former->{instance}{id}, $json->{instance}{id}, 'its former name still finds it';
	is_deeply [map { "$_->{from} $_->{to}" } grep { $_->{kind} eq 'renamed' } @{ $former->{events} }],
		["$name $former->{instance}{nome}"], 'the trail tells its new one';
	status_is(REFUSED, qr/no such instance/, 'one that is not there', qw(show nobody));
	$s->psql(q{INSERT INTO waha_servers (nome, api_url, ativo) VALUES ('other', 'http://127.0.0.1:1', false)});
	# (the helper shall not begin to make it)
	$s->psql(q{INSERT INTO instances (name, server_id, work_next_at)
		SELECT 'twice', id, now() + interval '1 hour' FROM waha_servers WHERE NOT ativo});
	$s->psql(q{INSERT INTO instances (name, server_id, lifecycle) SELECT 'twice', id, 'retired' FROM waha_servers WHERE ativo});
	status_is(REFUSED, qr/several servers/, 'a name that two servers have', qw(show twice));
	$s->psql(q{DELETE FROM instances WHERE name = 'twice'});
	return;
}

sub release {
	my ($user, $name) = paired_user();
	status_is(REFUSED, qr/Say --yes/, 'without a terminal it wants --yes', 'release', $name);
	is lifecycle($s, $name), 'assigned', 'and does nothing';
	status_is(DONE, qr/\Q$name\E released/, 'with it', 'release', $name, '--reason', 'moved away', '--yes');
	eventually_ok('it stands by again', sub { lifecycle($s, $name) eq 'standby' });
	my ($event) = grep { ($_->{to} // '') eq 'recycling' } @{ json('show', $name)->{events} };
	is $event->{reason}, 'moved away', 'the trail tells why';
	like $event->{actor}, qr/\Awapoolctl \(/, 'and by whom';
	my $free = $s->psql_value(q{SELECT name FROM instances WHERE lifecycle = 'standby' LIMIT 1});
	status_is(REFUSED, qr/is standby: nobody has it/, 'one that nobody has', 'release', $free, '--yes');
	status_is(DONE, qr/released/, 'an administrator\'s own', qw(release loja-2 --yes));
	eventually_ok('is gone', sub { $s->psql_value(q{SELECT count(*) FROM instances WHERE name = 'loja-2'}) == 0 });
	is json(qw(show loja-2))->{instance}{lifecycle}, 'retired', 'its trail is found by its name';
	return;
}

sub check {
	my (undef, $name) = paired_user();
	status_is(DONE, qr/\A\Q$name\E  healthy/, 'check: one that is well', 'check', $name);
	my $well = json('check', $name);
	is_deeply [@{$well}{qw(instance healthy state)}], [$name, JSON::PP::true(), 'healthy'], 'as JSON';
	gateway(DELETE => "/api/sessions/$name");
	status_is(NOT_WELL, qr/\A\Q$name\E  (?:degraded|not_found): ./, 'one that its gateway does not have: status 2', 'check', $name);
	status_is(REFUSED, qr/no such instance/, 'one that is not there', qw(check nobody));
	status_is(USAGE, qr/there is no option --yes/, 'nothing to say yes to', 'check', $name, '--yes');
	return;
}

sub recover {
	my (undef, $name) = paired_user();
	status_is(DONE, qr/\Q$name\E recovered/, 'recover: one that is well', 'recover', $name);
	is json('recover', $name)->{recovered}, JSON::PP::true(), 'as JSON';
	status_is(REFUSED, qr/no such instance/, 'one that is not there', qw(recover nobody));
	return;
}

sub cleanup {
	my (undef, $name) = paired_user();
	status_is(REFUSED, qr/its phone has to scan again\. Say --yes/, 'cleanup: without a terminal it wants --yes', 'cleanup', $name);
	ok sim_session($s, $name)->{linked}, 'and does nothing';
	status_is(DONE, qr/\Q$name\E cleaned/, 'with it', 'cleanup', $name, '--yes');
	ok !sim_session($s, present_name($s, $name))->{linked}, 'its session is anew, without a phone';
	like join(' ', map { "$_->{kind} $_->{actor}" } @{ json('show', $name)->{events} }), qr/(?:repair|transition) wapoolctl \(/, 'the trail tells who did it';
	status_is(REFUSED, qr/made by an administrator/, 'not an administrator\'s own', qw(cleanup vendas --yes));
	return;
}

# Whoever is asked takes his time.
sub cleanup_late {
	my ($user, $name) = paired_user();
	my $id = instance_of($s, $user)->{id};
	my $row = sub { $s->psql_value("SELECT lifecycle || ' ' || generation FROM instances WHERE id = '$id'") };
	my $then;
	my ($status, $shown) = typed(sub {
		status_is(DONE, qr/released/, 'while somebody is asked', 'release', $name, '--yes');
		eventually_ok('it is made anew', sub { ($then = $row->()) =~ /\Astandby / });
		return 'yes';
	}, 'cleanup', $name);
	is $status, REFUSED, 'his yes was to another' or diag $shown;
	like $shown, qr/it has changed hands meanwhile/, 'which he is told';
	return is $row->(), $then, 'and nothing was done';
}

# A gateway's call past wapool.
sub gateway {
	my ($method, $path) = @_;
	return HTTP::Tiny->new(no_proxy => '127.0.0.1')->request($method, $s->sim_url . $path,
		{ headers => { 'X-Api-Key' => $s->sim_key } });
}

sub pool {
	my $pool = json('pool');
	my %want = map { $_->[0] => $_->[1] } $s->psql(q{SELECT lifecycle, count(*) FROM instances WHERE origin = 'pool' GROUP BY 1});
	is $pool->{assigned}, $want{assigned} // 0, 'pool counts the assigned';
	is $pool->{target}, 3, 'tells the target';
	is $pool->{serversUp} + $pool->{serversDown}, 1, 'and the servers';
	is_deeply $pool->{alarms}, [], 'no alarm';
	status_is(DONE, qr/^free +[0-9]+$/m, 'for people', 'pool');
	$s->group('maintain')->stop;    # a look clears what it did not raise, at its very end
	$s->psql(q{INSERT INTO alarms (kind, server_id, reason) SELECT 'sessions', id, '9 of 10 sessions are missing'
		FROM waha_servers WHERE NOT ativo});
	is_deeply [map { "$_->{kind} $_->{server} $_->{reason}" } @{ json('pool')->{alarms} }],
		['sessions other 9 of 10 sessions are missing'], 'one that is raised';
	status_is(DONE, qr/^sessions  other +\S+  9 of 10 sessions are missing$/m, 'for people', 'pool');
	$s->psql(q{UPDATE waha_servers SET user_id = (SELECT id FROM users ORDER BY email LIMIT 1) WHERE nome = 'other'});
	my $owner = $s->psql_value(q{SELECT coalesce(email, id::text) FROM users ORDER BY email LIMIT 1});
	is json('pool')->{alarms}[0]{owner}, $owner, 'whose server it is';
	status_is(DONE, qr/^sessions  other +\Q$owner\E +\S+  9 of 10/m, 'for people', 'pool');
	$s->psql(q{UPDATE waha_servers SET user_id = NULL WHERE nome = 'other'});
	$s->psql('DELETE FROM alarms');
	$s->group('maintain')->start($s->maintain_program);
	my $waha;
	my $sessions = unchanged(q{SELECT sessions_ativas FROM waha_servers WHERE nome = 'WAHA'}, sub {
		($waha) = grep { $_->{nome} eq 'WAHA' } @{ json('servers')->{servers} };
	});
	is_deeply [@{$waha}{qw(kind health)}], ['waha', 'up'], 'servers tells kind and health';
	is $waha->{sessions}, $sessions, 'and sessions';
	my (undef, $table) = ctl('servers');
	my ($row) = grep { $_->{NAME} eq 'WAHA' } rows_of($table);
	is_deeply [@{$row}{qw(ID HEALTH)}], [$waha->{id}, 'up'], 'and as a table';
	is +(grep { $_->{NAME} eq 'other' } rows_of($table))[0]{HEALTH}, 'off', 'one that is switched off';
	return;
}

sub secrets {
	my (undef, $name) = paired_user();
	my $phone = $s->psql_value("SELECT phone_number FROM instances WHERE name = '$name'");
	my $output = join '', map { (ctl(@$_))[1] } ['list'], ['list', '--json'], ['show', $name], ['show', $name, '--json'],
		['servers'], ['servers', '--json'], ['users'], ['users', '--json'], ['pool'], ['pool', '--json'];
	unlike $output, qr/\Q$phone\E|Maria/, 'no telephone number or profile';
	unlike $output, qr/\Q@{[$s->sim_key]}\E|api_key|argon2|v1:/, 'no key and no hash';
	like +(ctl('show', $name, '--phones'))[1], qr/^phone +\Q$phone\E$/m, 'the number with --phones';
	is json('show', $name, '--phones')->{instance}{numero_telefone}, $phone, 'as JSON too';
	return;
}

sub escape {
	my ($user, $name) = paired_user();
	eventually_ok('his gateway has told all', sub { sim($s, GET => 'stats')->{webhooks}{pending} == 0 });
	$s->psql("UPDATE instances SET profile_name = E'\\x1b[2Jevil\\nline' WHERE name = '$name'");
	my ($status, $output) = ctl('show', $name, '--phones');
	unlike $output, qr/\x1b/, 'no escape sequence';
	like $output, qr/^profile +\x{fffd}\[2Jevil\x{fffd}line$/m, 'but what stood there';
	return;
}

sub no_database {
	my $url = $s->{env}{DATABASE_URL};
	$s->set_env(DATABASE_URL => 'postgresql:///wapool?host=/nonexistent');
	status_is(TROUBLE, qr/\S/, "@$_", @$_) for ['list'], ['show', 'x'], ['pool'], ['servers'], ['users'],
		['release', 'x', '--yes'], ['instance', 'add', 'x'], ['user', 'disable', 'x'];
	$s->set_env(DATABASE_URL => $url);
	return;
}
