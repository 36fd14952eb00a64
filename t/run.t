#!/usr/bin/perl
# run/: the supervisor (nothing lost, nothing left behind) and `make run` / `make stop`.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Process qw(alive free_ports port_taken run_program slurp spew wait_until);
use Wapool::Stack;
use Wapool::Stub;

delete $ENV{WAPOOL_TRAFFIC};    # stubs answer here: not what the documents describe

my $root  = abs_path("$FindBin::Bin/..");
my $stubs = File::Temp->newdir('wapool-stub.XXXXXX', TMPDIR => 1);
my @names = Wapool::Stack->new(build => "$stubs")->responder_names;
Wapool::Stub::install("$stubs", @names);
Wapool::Stub::install_rest("$stubs");

subtest 'responders are replaced under load'      => \&replaced_under_load;
subtest 'what crashes comes back'                 => \&crashes;
subtest 'what cannot start does not spin'         => \&cannot_start;
subtest 'PostgreSQL keeps its data'               => \&postgres;
subtest 'a killed test leaves no process'         => \&killed;
subtest 'docs/systemd holds every setting'        => \&samples;
subtest 'make run'                                => \&demo;
done_testing;

# --- The supervisor ---

# Clients ask without pause in processes of their own; returns their pids and a file they report to.
sub clients {
	my ($s, $n, $path) = @_;
	my $report = File::Temp->new;
	my @pids;
	for (1 .. $n) {
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			my ($stop, %count) = (0);
			local $SIG{TERM} = sub { $stop = 1 };
			until ($stop) { $count{ $s->http(GET => $path)->{status} }++ }
			open my $out, '>>', $report->filename;
			syswrite $out, join('', map { "$_ $count{$_}\n" } keys %count);
			POSIX::_exit(0);
		}
		push @pids, $pid;
	}
	return ($report, @pids);
}

sub replaced_under_load {
	my $s = Wapool::Stack->new(build => "$stubs");
	$s->start_responders(qw(my-connection livez));
	$s->start_nginx;
	my ($report, @pids) = clients($s, 4, '/api/whatsapp/my-connection');
	sleep 0.3;
	my %seen = (scalar $s->pids('my-connection') => 1);
	for (1 .. 3) {
		ok eval { $s->reload_responders; 1 }, 'every responder is replaced' or diag $@;
		$seen{ $s->pids('my-connection') } = 1;
		ok eval { $s->restart_responder('my-connection', 'TERM'); 1 }, 'one is restarted' or diag $@;
		$seen{ $s->pids('my-connection') } = 1;
	}
	kill 'TERM', @pids;
	waitpid $_, 0 for @pids;
	my %total;
	for (split /\n/, slurp($report->filename)) {
		my ($status, $n) = split / /;
		$total{$status} += $n;
	}
	is scalar keys %seen, 7, 'seven processes took turns';
	is_deeply [keys %total], [200], "$total{200} requests, none failed" or diag explain \%total;
	$s->stop;
	return;
}

sub crashes {
	my $s = Wapool::Stack->new(build => "$stubs");
	$s->start_responders('livez');
	$s->start_nginx;
	my $old = $s->pids('livez');
	sleep 1.1;
	my $new = eval { $s->restart_responder('livez', 'KILL') };
	isnt $new, $old, 'a killed responder is started again';
	is $s->http(GET => '/livez')->{status}, 200, 'and answers';
	like slurp("$s->{var}/log/responders.supervise.log"), qr/livez \($old\) killed by signal 9/, 'the log says why';
	my ($supervisor, $nginx) = (slurp("$s->{var}/run/responders.supervise.pid"), $s->pids('nginx'));
	chomp $supervisor;
	kill 'KILL', $supervisor;
	ok wait_until(5, sub { !alive($new) }), 'no responder outlives its supervisor';
	$s->stop;
	ok !alive($nginx), 'nginx is stopped';
	is -e "$s->{var}/run/livez.pid" ? alive(slurp("$s->{var}/run/livez.pid")) : 0, 0, 'the pid file names nobody';
	return;
}

sub cannot_start {
	my $s = Wapool::Stack->new(build => "$stubs");
	my $false = { name => 'false', argv => ['/bin/false'], env => {} };
	my $missing = { name => 'missing', argv => ['/nonexistent'], env => {} };
	$s->start_group(broken => $false, $missing, { name => 'good', argv => ['/bin/sleep', 100], env => {} });
	sleep 2;    # time for too many
	my @tries;
	ok wait_until(10, sub { 3 <= (@tries = slurp("$s->{var}/log/broken.supervise.log") =~ /false \(\d+\) exit status 1/g) }),
		'it is tried again';
	cmp_ok scalar @tries, '<=', 8, 'with growing pauses';
	like $s->log_text('missing'), qr{/nonexistent}, 'its log says what is wrong';
	ok $s->group('broken')->pid_of('good'), 'the others run';
	$s->stop;
	return;
}

sub postgres {
	my $s = Wapool::Stack->new(build => "$stubs");
	$s->start_postgres;
	is $s->psql_value('SELECT current_user'), 'wapool', 'the role wapool logs in';
	is_deeply [$s->psql(q{SELECT 1, NULL, '', E'a\nb' UNION ALL SELECT 2, 'x', 'y', 'z' ORDER BY 1})],
		[[1, undef, '', "a\nb"], [2, qw(x y z)]], 'rows come as they are';
	is $s->psql_value('SELECT rolsuper FROM pg_roles WHERE rolname = current_user'), 'f', 'it is no superuser';
	is $s->psql_value('SELECT current_user', as => 'postgres'), 'postgres', 'the superuser logs in';
	ok !eval { $s->psql('SELECT 1/0'); 1 }, 'an error is one';
	like $@, qr/division by zero/, 'and is told';
	$s->psql('CREATE TABLE kept AS SELECT 7 AS n');
	my ($status) = run_program([$s->postgres->{bin} . '/psql', '-w', '-h', $s->{postgres_socket_dir}, '-U', 'wapool',
			'-c', 'SELECT 1', 'wapool'], env => { PATH => '/usr/bin:/bin' });
	isnt $status, 0, 'nobody gets in without the password';
	my $old = $s->pids('postgres');
	$s->restart_postgres;
	isnt scalar $s->pids('postgres'), $old, 'it was restarted';
	is $s->psql_value('SELECT n FROM kept'), 7, 'with its data';
	kill 'KILL', scalar $s->pids('postgres');
	ok wait_until(20, sub { eval { $s->psql_value('SELECT n FROM kept') } }), 'and comes back when killed';
	$s->stop;
	return;
}

# The processes whose command line or working directory speaks of a directory.
sub processes_of {
	my ($dir) = @_;
	return grep { alive($_) && index(command_of($_), $dir) >= 0 }
		map { m{/proc/([0-9]+)/} } glob '/proc/[0-9]*/cmdline';
}

sub command_of {
	my ($pid) = @_;
	return (eval { slurp("/proc/$pid/cmdline") } // '') =~ tr/\0/ /r . (readlink("/proc/$pid/cwd") // '');
}

sub killed {
	for my $signal (qw(KILL TERM)) {
		my $var = File::Temp->newdir('wapool-killed.XXXXXX', TMPDIR => 1);
		my $build = File::Temp->newdir('wapool-stub.XXXXXX', TMPDIR => 1);
		Wapool::Stub::install("$build", 'livez');
		my $program = "use lib '$root/run/lib'; use Wapool::Stack; my \$s = Wapool::Stack->new(var => '$var', build => '$build');"
			. '$s->start_postgres; $s->start_responders("livez"); $s->start_nginx; print "up\n"; sleep 1000;';
		my $pid = open my $out, '-|', $^X, '-e', "\$| = 1; $program" or die "fork: $!";
		is scalar <$out>, "up\n", 'a test is up';
		cmp_ok scalar(my @before = (processes_of("$var"), processes_of("$build"))), '>=', 5, 'with its processes';
		kill $signal, $pid;
		ok wait_until(15, sub { !processes_of("$var") && !processes_of("$build") }), "none is left after $signal"
			or diag map { "$_ " . command_of($_) . "\n" } processes_of("$var"), processes_of("$build");
		close $out;
		my $socket_dir = -e "$var/run/socket_dir" ? slurp("$var/run/socket_dir") : '';
		chomp $socket_dir;
		is $socket_dir, '', 'nor its sockets' if $signal eq 'TERM';
		remove_tree($socket_dir) if $socket_dir;
	}
	return;
}

# --- docs/systemd ---

# lib/config.c's table against the sample environment.
sub samples {
	my $sample = slurp("$root/docs/systemd/wapool.env");
	my $table = slurp("$root/lib/config.c");
	my $string = qr/"([^"]*)"/;
	my @rows;
	while ($table =~ /^\t\{$string, (?:NULL|$string), (TEXT|SECRET|NUMBER), [^"]*$string,[^"]*((?:"[^"]*"\s*)+)\}/mg) {
		my ($name, $default, $help) = ($1, $4, $5);
		push @rows, { name => $name, default => $default, help => join '', $help =~ /$string/g };
	}
	is scalar @rows, scalar(() = $table =~ /^\t\{"/mg), 'lib/config.c was understood';
	is_deeply [$sample =~ /^#([A-Z0-9_]+)=/mg], [map { $_->{name} } @rows], 'the same settings, in the same order';
	for my $row (@rows) {
		ok $sample =~ /^# \Q$row->{help}\E(?: \(secret\))?\n(?:# Also .*\n)?#$row->{name}=\Q$row->{default}\E$/m,
			"$row->{name}: help and default";
	}
	my ($list) = slurp("$root/docs/systemd/wapool@.socket") =~ /wapool@\{([a-z,-]+)\}\.socket/;
	is_deeply [sort split /,/, $list], [sort @names], 'the sockets to enable are all there are';
	return;
}

# --- make run ---

my ($var, $build, %port, $real);

sub demo {
	$build = $ENV{WAPOOL_BUILD} // "$root/build";
	$build = "$root/$build" unless $build =~ m{\A/};
	$real  = !grep { !-x "$build/$_" } qw(wapool-maintain wapoolctl sim/wapool-sim), map { "handlers/$_" } @names;
	unless ($real) {
		diag 'not built: run/demo is tried with stubs only';
		$build = "$stubs";
	}
	my $parent = File::Temp->newdir('wapool-demo.XXXXXX', TMPDIR => 1);
	chmod 0755, "$parent";
	$build = copy_build($build, "$parent/build") if $real;
	$var = "$parent/var";
	@port{qw(HTTPS_PORT HTTP_PORT SIM_PORT)} = free_ports(3);
	eval { demo_steps(); 1 } or fail("demo: $@");
	run_demo('down');
	remove_reach();
	return;
}

# So that a build that goes on meanwhile changes nothing under our feet.
sub copy_build {
	my ($from, $to) = @_;
	for my $file (qw(wapool-maintain wapoolctl sim/wapool-sim), map { "handlers/$_" } @names) {
		make_path(dirname("$to/$file"));
		copy("$from/$file", "$to/$file") or die "$from/$file: $!";
		chmod 0755, "$to/$file";
	}
	return $to;
}

sub remove_reach {
	return unless -e "$var/run/reach";
	chomp(my $dir = slurp("$var/run/reach"));
	remove_tree($dir) if $dir =~ m{\A/var/tmp/wapool-data\.};
	return;
}

# (exit status, output)
sub run_demo {
	my ($command, %env) = @_;
	return run_program(["$root/run/demo", $command], env => {
			PATH => $ENV{PATH}, VAR => $var, WAPOOL_BUILD => $build, %port,
			map({ defined $ENV{$_} ? ($_ => $ENV{$_}) : () } qw(ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS)), %env });
}

sub pids_now {
	my %pids;
	for my $file (glob "$var/run/*.pid") {
		my ($name) = $file =~ m{([^/]+)\.pid\z};
		($pids{$name}) = slurp($file) =~ /([0-9]+)/ unless $name eq 'maintain';
	}
	return \%pids;
}

# run.env as a shell reads it.
sub run_env {
	my @names = qw(URL HTTP_URL ADMIN_EMAIL ADMIN_PASSWORD DEMO_EMAIL DEMO_PASSWORD DATABASE_URL SIM_URL CA_FILE JWT_SECRET);
	my ($status, $output) = run_program(['/bin/sh', '-euc',
			". '$var/run.env'; " . join '; ', map { "printf '%s\\n' \"\$$_\"" } @names]);
	is $status, 0, 'a shell can read run.env' or diag $output;
	my %env;
	@env{@names} = split /\n/, $output;
	return %env;
}

sub curl {
	my (@args) = @_;
	return run_program(['curl', '-sS', '--noproxy', '*', '--max-time', 40, '--cacert', "$var/ca.pem", @args]);
}

sub demo_steps {
	my ($status, $output) = run_demo('up');
	is $status, 0, 'up' or diag $output, map { "$_\n" . slurp($_) } glob "$var/log/*.log";
	like $output, qr{https://localhost:$port{HTTPS_PORT}/}, 'the URL is printed';
	like $output, qr{http://127.0.0.1:$port{SIM_PORT}/_sim/}, "the simulator's page too";
	my @curls = $output =~ /\bcurl /g;
	is scalar @curls, 3, 'and three commands to try';
	is sprintf('%04o', (stat "$var/run.env")[2] & 07777), '0600', 'run.env is for its owner alone';
	my %env = run_env();
	ok length $env{$_}, "run.env has $_" for sort keys %env;
	cmp_ok length $env{JWT_SECRET}, '>=', 32, 'a good secret';
	is +(curl('-o', '/dev/null', '-w', '%{http_code}', "$env{URL}/readyz"))[1], 200, '/readyz over TLS';
	is +(curl('-o', '/dev/null', '-w', '%{http_code}', "$env{HTTP_URL}/livez"))[1], 200, '/livez in clear';
	is +(curl('-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', "$env{HTTP_URL}/api/whatsapp/qr?a=1"))[1],
		"308 https://127.0.0.1:$port{HTTPS_PORT}/api/whatsapp/qr?a=1", 'the API only over TLS';
	is +(curl('-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', "$env{URL}/_sim"))[1],
		"302 $env{SIM_URL}/_sim/", 'the page leads to the simulator';
	logins(%env) if $real;
	try_next_steps($output) if $real;
	my $pids = pids_now();
	my ($again, $same) = run_demo('up');
	is $again, 0, 'up again';
	is $same, $output, 'says the same';
	is_deeply pids_now(), $pids, 'and starts nothing';
	is +(run_demo('status'))[0], 0, 'status: ready';
	repair(%env);
	in_the_way();
	outdated(%env);
	stopped(%env);
	return;
}

sub logins {
	my (%env) = @_;
	for my $who (qw(DEMO ADMIN)) {
		my $body = JSON::PP->new->canonical->encode({ email => $env{"${who}_EMAIL"}, password => $env{"${who}_PASSWORD"} });
		my (undef, $answer) = curl('--json', $body, "$env{URL}/api/auth/login");
		my $json = eval { JSON::PP->new->decode($answer) } || {};
		ok $json->{token}, "$who logs in" or diag $answer;
		is $json->{user}{role}, $who eq 'ADMIN' ? 'admin' : 'user', "with the role he has";
	}
	return;
}

# The commands that `make run` prints do what they say.
sub try_next_steps {
	my ($output) = @_;
	my ($commands) = $output =~ /Next steps:\n\n(.*?)\n\n/s;
	my ($status, $answer) = run_program(['/bin/sh', '-eu'], stdin => $commands, env => { PATH => $ENV{PATH} });
	is $status, 0, 'the printed commands run' or diag $answer;
	like $answer, qr{"qrCode":\s*"data:image/png;base64,}, 'and give a QR code';
	return;
}

sub repair {
	my (%env) = @_;
	my $pids = pids_now();
	kill 'KILL', @{$pids}{qw(responders.supervise postgres nginx.supervise)};
	ok wait_until(5, sub { !alive($pids->{nginx}) && !alive($pids->{livez}) }), 'half of it dies';
	my ($status, $output) = run_demo('up');
	is $status, 0, 'up repairs it' or diag $output;
	is +(curl('-o', '/dev/null', '-w', '%{http_code}', "$env{URL}/readyz"))[1], 200, 'ready again';
	my %now = run_env();
	is_deeply \%now, \%env, 'nobody has to log in again';
	return;
}

sub in_the_way {
	my ($status, $output) = run_demo('up', VAR => "$var-2");
	is $status, 1, 'a second copy on the same ports is refused';
	like $output, qr/port $port{HTTPS_PORT} is in use.*HTTPS_PORT=/s, 'with the name of the variable to change';
	unlike $output, qr/ line \d+/, 'in words for people';
	($status, $output) = run_demo('up', WAPOOL_BUILD => '/nonexistent');
	is $status, 1, 'so is one that was not built';
	like $output, qr/run `make` first/, 'with what to do';
	return;
}

# As if the checkout had been updated, and a deployed migration edited.
sub outdated {
	my (%env) = @_;
	my $sql = sub { run_program(['psql', '-X', '-q', '-d', $env{DATABASE_URL}, '-c', $_[0]]) };
	is +($sql->(q{UPDATE sqitch.changes SET script_hash = reverse(script_hash) WHERE change = 'pool'}))[0], 0, 'a migration is another';
	my ($status, $output) = run_demo('up');
	is $status, 1, 'up refuses a database of an earlier version';
	like $output, qr/earlier version.*changed since: pool\).*rm -r \Q$var\E\b.*make run/s, 'and says what to do';
	$sql->(q{UPDATE sqitch.changes SET script_hash = reverse(script_hash) WHERE change = 'pool'});
	is +(run_demo('up'))[0], 0, 'otherwise it goes on';
	return;
}

sub stopped {
	my (%env) = @_;
	chomp(my $socket_dir = slurp("$var/run/socket_dir"));
	my ($status) = run_demo('down');
	is $status, 0, 'down';
	is_deeply [processes_of($var)], [], 'no process is left';
	is_deeply [processes_of($socket_dir)], [], 'of none of its directories';
	ok !port_taken($port{$_}), "$_ is free" for sort keys %port;
	ok !-e $socket_dir, 'the sockets are gone';
	is +(run_demo('down'))[0], 0, 'down twice';
	is +(run_demo('status'))[0], 1, 'status: not running';
	is +(run_demo('up'))[0], 0, 'and up once more';
	my %now = run_env();
	s/\?host=.*// for $now{DATABASE_URL}, $env{DATABASE_URL};
	is_deeply \%now, \%env, 'with the data and secrets of before';
	return;
}
