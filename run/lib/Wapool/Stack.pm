package Wapool::Stack;

=head1 NAME

Wapool::Stack - a whole wapool of its own: PostgreSQL, simulator, responders, helper, nginx

=head1 SYNOPSIS

    use lib 'run/lib';
    use Wapool::Stack;

    my $s = Wapool::Stack->new(env => { POOL_TARGET => 3 });
    $s->start_all;                          # or only the parts one needs:
    # $s->start_postgres; $s->deploy; $s->start_responders('livez'); $s->start_nginx; ...

    my $token  = $s->token($s->unique_user);
    my $answer = $s->http(POST => '/api/whatsapp/connect', token => $token, json => {});
    is $answer->{status}, 200;
    my @rows = $s->psql('SELECT nome, state FROM instances');

Everything ends with the object, with the program, and when the program is killed. Only one who gave
C<daemon> must call C<stop>.

=head1 OPTIONS OF new

    var      => DIR      all that is kept; default: a temporary directory, removed in the end
    build    => DIR      the binaries; default $WAPOOL_BUILD or build/
    root     => DIR      the source tree; default: the one this file is in
    http_port, https_port, sim_port      default: free ones; https_port => 0: no TLS (the default)
    env      => {...}      settings of lib/config.c for responders, helper and simulator
    clear    => 1        HTTP serves everything in clear (default); 0: only /webhook, /livez, /readyz
    limits   => 0        limits that nobody reaches (default); 1: those of nginx/wapool-limits.conf, CLAIM_LIMIT
    stream_seconds => {...}    how long streams of live updates may last: long, short
    origins  => [...]      web origins on the CORS list
    test     => 1        PostgreSQL without fsync (default)
    daemon   => 0        1: what is started outlives this program
    keep     => $WAPOOL_KEEP    a temporary directory is not removed

The methods of L<Wapool::Client> (http, token, admin_token, unique_user, psql, psql_value) are this
class's too.

=cut

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp ();
use Scalar::Util qw(weaken);

use Wapool::Group;
use Wapool::Nginx;
use Wapool::Postgres;
use Wapool::Process qw(alive find_program free_ports listens make_dir own random_hex reachable run_ok
	run_program slurp spew wait_until);

use parent 'Wapool::Client';

use constant SERVICE_USER => 'www-data';

my @stacks;    # weak: every stack of this program, for END

sub new {
	my ($class, %opt) = @_;
	my $self = bless {
		clear => 1, limits => 0, test => 1, daemon => 0, env => {}, keep => $ENV{WAPOOL_KEEP},
		root => dirname(abs_path(__FILE__)) . '/../../..', build => $ENV{WAPOOL_BUILD} // 'build',
		%opt, owner => $$, started => [],
	}, $class;
	$self->{root}  = abs_path($self->{root});
	$self->{build} = $self->absolute($self->{build});
	$self->make_var;
	$self->choose_ports;
	$self->watch_over unless $self->{daemon};
	return $self;
}

sub absolute {
	my ($self, $path) = @_;
	return $path =~ m{\A/} ? $path : "$self->{root}/$path";
}

# --- Places ---

sub make_var {
	my ($self) = @_;
	unless ($self->{var}) {
		$self->{var} = File::Temp::tempdir('wapool-test.XXXXXX', TMPDIR => 1);
		$self->{temporary} = 1;
	}
	$self->{var} = abs_path(make_dir($self->absolute($self->{var})));
	make_dir("$self->{var}/$_", $_ eq 'secret' ? 0700 : 0755) for qw(run log nginx secret);
	must_be_ours($_) for $self->{var}, map { "$self->{var}/$_" } qw(run log nginx secret);
	$self->{reach}      = $self->recorded_dir('reach', '/var/tmp/wapool-data.XXXXXX') unless $self->var_is_reachable;
	$self->{reach}    //= $self->{var};
	$self->{socket_dir} = $self->recorded_dir('socket_dir', '/tmp/wapool.XXXXXX');
	$self->{postgres_socket_dir} = make_dir("$self->{socket_dir}/pg", 0755);
	own('postgres', $self->{postgres_socket_dir});
	$self->{live_socket} = make_dir("$self->{socket_dir}/live", 0700) . '/publish.sock';
	own(SERVICE_USER, "$self->{socket_dir}/live");
	make_dir("$self->{reach}/keys", 0755);
	return;
}

# What another user made, or may write to, could hold his keys and name his programs.
sub must_be_ours {
	my ($dir) = @_;
	my ($mode, $uid) = (lstat $dir)[2, 4];
	die "$dir belongs to somebody else: remove it, or choose another VAR\n" if !-d _ || $uid != $>;
	die "$dir may be written to by others: chmod go-w it, or choose another VAR\n" if $mode & 022;
	return;
}

# As root, others run PostgreSQL and the responders: can they enter our directory?
sub var_is_reachable {
	my ($self) = @_;
	return reachable($self->{var}, SERVICE_USER) && reachable($self->{var}, 'postgres');
}

# A directory of its own elsewhere whose name is kept in var/run. Made anew if it is gone or is not ours
# (/tmp after a restart of the machine).
sub recorded_dir {
	my ($self, $name, $template) = @_;
	my $record = "$self->{var}/run/$name";
	my $dir = -e $record ? slurp($record) : '';
	chomp $dir;
	unless ($dir ne '' && -d $dir && !-l $dir && (stat _)[4] == $>) {
		$dir = File::Temp::tempdir($template);
		spew($record, "$dir\n", 0644);
	}
	return make_dir($dir, 0755);
}

sub choose_ports {
	my ($self) = @_;
	for my $port (qw(http_port sim_port)) {
		($self->{$port}) = free_ports(1) unless $self->{$port};
	}
	($self->{https_port}) = free_ports(1) if ($self->{https_port} // 0) eq 'free';
	return;
}

# --- Secrets: made once, kept under var/secret ---

sub secret {
	my ($self, $name) = @_;
	my $file = "$self->{var}/secret/$name";
	spew($file, random_hex(32), 0600) unless -e $file;
	return slurp($file);
}

# The key of bearer tokens, also for responders.
sub jwt_secret {
	my ($self) = @_;
	return $self->{env}{JWT_SECRET} // $self->secret('jwt');
}

# The key file that seals gateway keys; its owner is who runs the responders.
sub key_file {
	my ($self) = @_;
	my $file = "$self->{reach}/keys/seal.key";
	return $file if -e $file;
	my $wapoolctl = "$self->{build}/wapoolctl";
	if (-x $wapoolctl) { run_ok([$wapoolctl, 'key', 'create', $file]) }
	else               { spew($file, random_hex(32) . "\n", 0600) }
	own(SERVICE_USER, $file);
	return $file;
}

# A certificate for localhost and 127.0.0.1, from a CA whose key is thrown away. Returns
# (certificate, key, the CA's certificate).
sub certificate {
	my ($self) = @_;
	my $dir = "$self->{var}/secret";
	my ($cert, $key, $ca) = ("$dir/server.pem", "$dir/server.key", "$self->{var}/ca.pem");
	my ($stale) = -e $cert && -e $key && -e $ca
		? run_program(['openssl', 'x509', '-in', $cert, '-noout', '-checkend', 7 * 86400]) : 1;
	$self->make_certificate($dir, $ca) if $stale;
	return ($cert, $key, $ca);
}

sub make_certificate {
	my ($self, $dir, $ca) = @_;
	my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes);
	my $umask = umask 0077;
	spew("$dir/server.ext", join "\n", 'basicConstraints=critical,CA:FALSE',
		'keyUsage=critical,digitalSignature', 'extendedKeyUsage=serverAuth',
		"subjectAltName=DNS:localhost,IP:127.0.0.1\n");
	run_ok([qw(openssl req -x509), @key, '-keyout', "$dir/ca.key", '-out', $ca, qw(-days 397),
		'-subj', '/CN=wapool local CA ' . random_hex(4), '-addext', 'keyUsage=critical,keyCertSign']);
	run_ok([qw(openssl req -new), @key, '-keyout', "$dir/server.key", '-out', "$dir/server.csr",
		'-subj', '/CN=localhost']);
	run_ok([qw(openssl x509 -req -days 397 -in), "$dir/server.csr", '-CA', $ca, '-CAkey', "$dir/ca.key",
		'-set_serial', '0x' . random_hex(8), '-extfile', "$dir/server.ext", '-out', "$dir/server.pem"]);
	umask $umask;
	chmod 0644, $ca;
	unlink map { "$dir/$_" } qw(ca.key server.csr server.ext);
	return;
}

# --- Parts ---

sub group {
	my ($self, $name) = @_;
	return $self->{group}{$name} //= Wapool::Group->new(
		name => $name, supervise => "$self->{root}/run/supervise", run_dir => "$self->{var}/run",
		log_dir => "$self->{var}/log", group => SERVICE_USER, daemon => $self->{daemon});
}

# Starts programs as a group that stop() will stop.
sub start_group {
	my ($self, $name, @programs) = @_;
	$self->group($name)->start(@programs);
	push @{ $self->{started} }, $name;
	return;
}

sub postgres {
	my ($self) = @_;
	return $self->{postgres} //= Wapool::Postgres->new(
		data => "$self->{reach}/pg", socket_dir => $self->{postgres_socket_dir},
		secret_dir => "$self->{var}/secret", group => $self->group('database'), test => $self->{test});
}

sub start_postgres {
	my ($self) = @_;
	$self->postgres->start;
	push @{ $self->{started} }, 'database';
	return;
}

sub stop_postgres { return $_[0]->postgres->stop }

# Connections break, data stays.
sub restart_postgres {
	my ($self) = @_;
	$self->stop_postgres;
	return $self->postgres->start;
}

# Deploys migrations/ (nothing to do if that was done before).
sub deploy {
	my ($self) = @_;
	return $self->postgres->deploy("$self->{root}/migrations");
}

# As libpq's URL, by default for the role the responders use; 'postgres' is the superuser.
sub database_url {
	my ($self, $role) = @_;
	return $self->postgres->url($role // 'wapool');
}

# The environment of responders, helper and wapoolctl. With a simulator it is the platform's gateway.
sub environment {
	my ($self) = @_;
	my %env = (
		PATH => '/usr/bin:/bin', LANG => 'C.UTF-8',
		DATABASE_URL => $self->database_url, PUBLIC_URL => $self->http_url,
		JWT_SECRET => $self->jwt_secret, SECRET_KEY_FILE => $self->key_file,
		LIVE_PUBLISH => "unix:$self->{live_socket}",
		$self->{limits} ? () : (CLAIM_LIMIT => 100_000),
		$self->sim_settings,
		# the simulator forgets its sessions when it is restarted: then they are to be made again soon
		$self->{sim} && !$self->{test} ? (GATEWAY_START_GRACE => 10, HEALTH_INTERVAL => 10) : ());
	for my $name (grep { /\A(?:TZ|(?:A|L|UB|T)SAN_OPTIONS)\z/ } keys %ENV) {
		$env{$name} = $ENV{$name};
	}
	return { %env, %{ $self->{env} } };
}

# The simulator as the platform's server of the kind it simulates.
sub sim_settings {
	my ($self) = @_;
	my $evolution = ($self->{env}{SIM_KIND} // '') =~ /\Aevolution/;
	return unless $self->{sim};
	return $evolution ? (EVOLUTION_API_URL => $self->sim_url, EVOLUTION_API_KEY => $self->sim_key)
		: (WAHA_URL => $self->sim_url, WAHA_API_KEY => $self->sim_key);
}

# Changes settings for what is started or replaced from now on; undef removes one.
sub set_env {
	my ($self, %change) = @_;
	my $env = $self->{env} = { %{ $self->{env} }, %change };
	delete @{$env}{ grep { !defined $env->{$_} } keys %$env };
	return;
}

# Every responder nginx knows.
sub responder_names {
	my ($self) = @_;
	return slurp("$self->{root}/nginx/wapool-upstreams.conf") =~ m{unix:/run/wapool/([a-z0-9-]+)\.sock}g;
}

# A program of ours as run/supervise wants it. WAPOOL_WRAP may hold a command to run it under.
sub program {
	my ($self, $path, %more) = @_;
	croak "$path is missing: run make first" unless -x $path;
	my ($dir, $file) = $path =~ m{\A(.*)/([^/]+)\z};
	return { name => $file, dir => $dir, user => SERVICE_USER, env => $self->environment,
		argv => [split(' ', $ENV{WAPOOL_WRAP} // ''), "./$file", @{ delete $more{args} || [] }], %more };
}

sub responder {
	my ($self, $name) = @_;
	return $self->program("$self->{build}/handlers/$name", socket => "$self->{socket_dir}/$name.sock",
		stop_timeout => 130, hup => 'replace');
}

sub responder_programs {
	my ($self, @names) = @_;
	return map { $self->responder($_) } @names ? @names : $self->responder_names;
}

# Starts the responders of those names, or all.
sub start_responders {
	my ($self, @names) = @_;
	return $self->start_group(responders => $self->responder_programs(@names));
}

# Sends one responder a signal (default TERM) and waits until another has taken its place.
sub restart_responder {
	my ($self, $name, $signal) = @_;
	# the helper's time may be over in this moment
	my $old = wait_until(10, sub { scalar $self->pids($name) }) or croak "$name does not run";
	kill $signal // 'TERM', $old;
	return wait_until(140, sub { my $new = $self->pids($name); $new && $new != $old && $new })
		|| croak "$name did not come back";
}

# Replaces every responder without losing a request; settings changed by set_env count.
sub reload_responders {
	my ($self) = @_;
	my $group = $self->group('responders');
	my @names = grep { $self->pids($_) } $self->responder_names;
	my %old = map { $_ => $self->pids($_) } @names;
	$group->write_config($self->responder_programs(@names));
	$group->signal('HUP');
	return wait_until(60, sub { !grep { $old{$_} == ($self->pids($_) // $old{$_}) || alive($old{$_}) } @names })
		|| croak 'not every responder was replaced';
}

sub sim_program {
	my ($self, @args) = @_;
	return $self->program("$self->{build}/sim/wapool-sim", name => 'sim',
		args => ['--port', $self->{sim_port}, @args],
		env => { %{ $self->environment }, SIM_API_KEY => $self->sim_key });
}

# Starts the gateway simulator (more arguments are its own: '--time-scale', 10); responders started later
# use it as the platform's WAHA server.
sub start_sim {
	my ($self, @args) = @_;
	$self->{sim} = 1;
	$self->start_group(sim => $self->sim_program(@args));
	# a helper that finds nobody there takes the gateway for down, and looks again in half a minute
	wait_until(10, sub { listens($self->{sim_port}) })
		or croak "the simulator does not listen; see $self->{var}/log/sim.log";
	return;
}

# The X-Api-Key it asks for.
sub sim_key { return $_[0]->secret('sim') }

sub sim_url { return "http://127.0.0.1:$_[0]{sim_port}" }

# The helper, as cron would run it.
sub maintain_program {
	my ($self) = @_;
	return $self->program("$self->{build}/wapool-maintain", name => 'maintain', args => ['--for', 60],
		hup => 'restart');
}

# Runs the helper again and again.
sub start_maintain {
	my ($self) = @_;
	return $self->start_group(maintain => $self->maintain_program);
}

# Runs the helper once, to its end: (exit status, output).
sub maintain {
	my ($self, @args) = @_;
	return $self->run_as_service("$self->{build}/wapool-maintain", @args);
}

# Runs wapoolctl: (exit status, output). A reference as first argument is its standard input.
sub ctl {
	my ($self, @args) = @_;
	return $self->run_as_service("$self->{build}/wapoolctl", @args);
}

sub run_as_service {
	my ($self, $path, @args) = @_;
	my $stdin = ref $args[0] ? ${ shift @args } : '';
	my ($dir, $file) = $path =~ m{\A(.*)/([^/]+)\z};
	return run_program(["./$file", @args], dir => $dir, as => SERVICE_USER, env => $self->environment,
		stdin => $stdin);
}

sub nginx {
	my ($self) = @_;
	return $self->{nginx} //= do {
		my ($cert, $key) = $self->{https_port} ? $self->certificate : ();
		Wapool::Nginx->new(
			cert => $cert, cert_key => $key, dir => "$self->{var}/nginx", run_dir => "$self->{var}/run",
			log_dir => "$self->{var}/log", sim_url => $self->{sim} ? $self->sim_url : undef, map { $_ => $self->{$_} }
				qw(root reach socket_dir http_port https_port clear limits origins stream_seconds more));
	};
}

# Writes nginx's configuration, has it checked, starts it and waits until it listens.
sub start_nginx {
	my ($self) = @_;
	$self->nginx->configure;
	$self->start_group(nginx => $self->nginx->programs);
	wait_until(10, sub { listens($self->{http_port}) })
		or croak "nginx does not listen; see $self->{var}/log/nginx-error.log";
	return;
}

# All parts, in order, until /readyz says yes.
sub start_all {
	my ($self) = @_;
	$self->start_postgres;
	$self->deploy;
	$self->start_sim unless $self->{env}{WAHA_URL} || $self->{env}{EVOLUTION_API_URL};
	$self->start_responders;
	$self->start_maintain;
	$self->start_nginx;
	return $self->wait_ready;
}

# Another host of the same wapool: responders, a helper and nginx of its own over this one's database, keys
# and gateway. It ends before this one does.
#   helper => 0: without one; responders => [names] (all)
sub another_host {
	my ($self, %opt) = @_;
	my %shared = %{ $self->environment };
	delete $shared{LIVE_PUBLISH};
	my $host = (ref $self)->new(env => \%shared, map { $_ => $self->{$_} } qw(root build clear limits origins test));
	$host->start_responders(@{ $opt{responders} || [] });
	$host->start_maintain if $opt{helper} // 1;
	$host->start_nginx;
	push @{ $self->{others} }, $host;
	return $host;
}

# All hosts: this one and those made by another_host.
sub hosts {
	my ($self) = @_;
	return ($self, @{ $self->{others} || [] });
}

# Waits until GET /readyz answers 200; dies with its last answer after 30 s.
sub wait_ready {
	my ($self, $seconds) = @_;
	my $answer;
	wait_until($seconds // 30, sub { $answer = $self->http(GET => '/readyz', timeout => 5); $answer->{status} == 200 })
		or croak "not ready: $answer->{status} $answer->{body}";
	return;
}

# The pid of a program by its name (a responder's, postgres, sim, maintain, nginx); undef if it is down.
# In list context also those it forked.
sub pids {
	my ($self, $name) = @_;
	my %of = (postgres => 'database', sim => 'sim', maintain => 'maintain', nginx => 'nginx');
	my $pid = $self->group($of{$name} // 'responders')->pid_of($name);
	return $pid unless wantarray;
	return $pid ? ($pid, children($pid)) : ();
}

sub children {
	my ($pid) = @_;
	return map { ($_, children($_)) } split ' ', eval { slurp("/proc/$pid/task/$pid/children") } // '';
}

# A program's log so far: 'connect', 'postgres', 'nginx-error', 'nginx-access', …
sub log_text {
	my ($self, $name) = @_;
	my $file = "$self->{var}/log/$name.log";
	return -e $file ? slurp($file) : '';
}

# --- End ---

# Stops what was started, the last first, and waits for it.
sub stop {
	my ($self) = @_;
	return if $self->{owner} != $$;
	$_->stop for @{ $self->{others} || [] };
	while (my $name = pop @{ $self->{started} }) {
		$self->group($name)->stop;
	}
	return;
}

# Removes what only a running stack needs outside var.
sub remove_socket_dir {
	my ($self) = @_;
	remove_tree($self->{socket_dir}) if -d $self->{socket_dir};
	unlink "$self->{var}/run/socket_dir";
	return;
}

sub watch_over {
	my ($self) = @_;
	push @stacks, $self;
	weaken($stacks[-1]);
	for my $signal (qw(INT TERM HUP)) {
		$SIG{$signal} = sub { exit 130 } if ($SIG{$signal} // 'DEFAULT') eq 'DEFAULT';    ## no critic
	}
	return;
}

sub clean_up {
	my ($self) = @_;
	return if $self->{owner} != $$ || $self->{daemon} || $self->{cleaned}++;
	$self->stop;
	$self->remove_socket_dir;
	return if $self->{keep} || !$self->{temporary};
	remove_tree($self->{reach}) if $self->{reach} ne $self->{var};
	remove_tree($self->{var});
	return;
}

sub DESTROY {
	my ($self) = @_;
	local ($?, $@, $!);
	$self->clean_up;
	return;
}

END {
	my $status = $?;
	$_->clean_up for grep { defined } @stacks;
	$? = $status;    ## no critic
}

1;
