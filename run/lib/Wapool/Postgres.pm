package Wapool::Postgres;

# A private PostgreSQL cluster: made once, reached by a unix socket only, every login with a password.
# `postgres` is its superuser, `wapool` owns the database `wapool`; `authenticated` and `service_role` are
# the roles of a hosting's own programs.

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA ();

use Wapool::Process qw(own run_ok run_program slurp spew wait_until);

# data (directory), socket_dir, secret_dir, group (a Wapool::Group), test (true: speed before safety)
sub new {
	my ($class, %self) = @_;
	my $self = bless {%self}, $class;
	$self->{bin} = newest_bin();
	return $self;
}

# The newest installed version's directory of programs.
sub newest_bin {
	my @found = sort { version_of($b) <=> version_of($a) } glob '/usr/lib/postgresql/*/bin';
	for my $bin (@found) {
		return $bin if -x "$bin/postgres";
	}
	croak 'PostgreSQL is not installed (no /usr/lib/postgresql/*/bin/postgres)';
}

sub version_of {
	my ($path) = @_;
	return $path =~ m{/postgresql/([0-9.]+)/} ? $1 : 0;
}

# Starts the server (making the cluster first if there is none) and waits until it answers.
sub start {
	my ($self) = @_;
	$self->initdb unless -e "$self->{data}/PG_VERSION";
	$self->{group}->start($self->program);
	$self->wait_ready;
	$self->make_database;
	return;
}

sub wait_ready {
	my ($self) = @_;
	wait_until(30, sub { $self->answers })
		or croak "PostgreSQL does not answer; see $self->{group}{log_dir}/postgres.log";
	return;
}

sub answers {
	my ($self) = @_;
	my ($status) = eval { $self->psql_program('postgres', 'postgres', 'SELECT 1') };
	return defined $status && $status == 0;
}

sub stop {
	my ($self) = @_;
	return $self->{group}->stop;
}

sub initdb {
	my ($self) = @_;
	my $data = $self->{data};
	mkdir $data or croak "$data: $!" unless -d $data;
	chmod 0700, $data;
	own('postgres', $data);
	my $password = spew("$data.password", $self->password('postgres') . "\n", 0600);
	own('postgres', $password);
	my ($status, $output) = run_program(
		["$self->{bin}/initdb", '-D', $data, '-U', 'postgres', '-A', 'scram-sha-256',
			"--pwfile=$password", '-E', 'UTF8', '--locale=C.UTF-8',
			$self->{test} ? ('--no-sync', '--wal-segsize=1') : ()],
		as => 'postgres', dir => '/', env => plain_env());
	unlink $password;
	croak "initdb: $output" if $status != 0;
	return;
}

sub plain_env { return { PATH => '/usr/bin:/bin', LANG => 'C.UTF-8' } }

# The password of a role: made when first asked for, kept in secret_dir.
sub password {
	my ($self, $role) = @_;
	my $file = "$self->{secret_dir}/postgres-$role";
	spew($file, Wapool::Process::random_hex(20), 0600) unless -e $file;
	return slurp($file);
}

# What run/supervise starts.
sub program {
	my ($self) = @_;
	my %setting = (
		listen_addresses        => '',
		unix_socket_directories => $self->{socket_dir},
		max_connections         => 100,
		log_line_prefix         => '%m [%p] %q%u ',
		jit                     => 'off',
		$self->{test}
		? (fsync => 'off', full_page_writes => 'off', shared_buffers => '32MB',
			autovacuum_naptime => '10s')
		: (shared_buffers => '128MB'));
	return {
		name => 'postgres', user => 'postgres', env => plain_env(), dir => '/',
		argv => ["$self->{bin}/postgres", '-D', $self->{data},
			map { ('-c', "$_=$setting{$_}") } sort keys %setting],
		stop => 'INT', stop_timeout => 30 };
}

sub make_database {
	my ($self) = @_;
	for my $role (qw(authenticated service_role)) { # also in a cluster that an earlier version made
		my ($failed, $why) = $self->psql_program('postgres', 'postgres', "DO \$\$ BEGIN
			CREATE ROLE $role NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$");
		croak $why if $failed;
	}
	my ($status, $output) = $self->psql_program('postgres', 'postgres',
		"SELECT 1 FROM pg_database WHERE datname = 'wapool'");
	croak $output if $status != 0;
	return if $output =~ /1/;
	my $password = $self->password('wapool');
	for my $sql ("CREATE ROLE wapool LOGIN PASSWORD '$password'",
		'CREATE DATABASE wapool OWNER wapool') {
		($status, $output) = $self->psql_program('postgres', 'postgres', $sql);
		croak $output if $status != 0;
	}
	return;
}

# The environment libpq reads to log in as that role.
sub login_env {
	my ($self, $role, $database) = @_;
	return {
		%{ plain_env() }, PGHOST => $self->{socket_dir}, PGUSER => $role,
		PGPASSWORD => $self->password($role), PGDATABASE => $database,
		PGCONNECT_TIMEOUT => 5, PSQLRC => '/dev/null' };
}

# Runs SQL by psql; (exit status, output) with fields parted by \x1f, records by \x1e, NULL as \x01.
# The output of a failure is psql's complaint.
sub psql_program {
	my ($self, $role, $database, $sql) = @_;
	my ($status, $output) = run_program(
		["$self->{bin}/psql", '-X', '-q', '-A', '-t', '-F', "\x1f", '-R', "\x1e",
			'-P', "null=\x01", '-v', 'ON_ERROR_STOP=1', '-f', '-'],
		env => $self->login_env($role, $database), stdin => $sql, dir => '/', err => \my $complaint);
	return ($status, $status == 0 ? $output : $complaint);
}

# As libpq's URL.
sub url {
	my ($self, $role) = @_;
	return "postgresql://$role:" . $self->password($role) . "\@/wapool?host=$self->{socket_dir}";
}

# The deployed changes of a sqitch project whose deploy script is another by now, or gone, in their order. sqitch itself
# would deploy what is new on top of them and say nothing.
sub outdated {
	my ($self, $project) = @_;
	my ($status, $output) = $self->psql_program('postgres', 'wapool', q{SELECT to_regclass('sqitch.changes') IS NOT NULL});
	croak $output if $status != 0;
	return unless $output =~ /\At/;
	($status, $output) = $self->psql_program('postgres', 'wapool',
		'SELECT change, script_hash FROM sqitch.changes ORDER BY committed_at');
	croak $output if $status != 0;
	my @outdated;
	for my $row (split /\x1e/, $output =~ s/\n\z//r) {
		my ($change, $hash) = split /\x1f/, $row;
		my $file = "$project/deploy/$change.sql";
		push @outdated, $change unless -e $file && Digest::SHA->new(1)->addfile($file, 'b')->hexdigest eq $hash;
	}
	return @outdated;
}

# Deploys the migrations of a sqitch project; nothing of this machine's or user's settings counts.
sub deploy {
	my ($self, $project) = @_;
	run_ok([Wapool::Process::find_program('sqitch'), '--chdir', $project, 'deploy', '--verify',
			'db:pg:wapool'],
		env => {
			%{ $self->login_env('wapool', 'wapool') },
			SQITCH_USER_CONFIG => '/nonexistent', SQITCH_SYSTEM_CONFIG => '/nonexistent',
			SQITCH_FULLNAME => 'wapool', SQITCH_EMAIL => 'wapool@localhost' });
	return;
}

1;
