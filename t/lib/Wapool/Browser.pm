package Wapool::Browser;

# Runs a script of t/browser/ in node against a stack, and answers its calls:
#
#   my $s = browser_stack(env => {…});
#   exit run_browser($s, 'connect.js');
#
# The script prints the TAP. Whatever happens it ends, and its Chromium with it.

use strict;
use warnings;

use Carp qw(croak);
use Errno ();
use Exporter qw(import);
use File::Temp ();
use IO::Handle ();
use IO::Select ();
use JSON::PP ();
use POSIX ();
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);
use Time::HiRes qw(time);

use Wapool::Database qw(start_database);
use Wapool::Process qw(find_program make_dir run_ok slurp wait_until);
use Wapool::Stack;
use Wapool::Test qw(WEBHOOK_SECRET);

our @EXPORT_OK = qw(browser_stack run_browser);

use constant PATIENCE => 900;    # seconds before a script counts as hanging

# What a script may call: methods of the stack, and these.
my %CALLS = (
	(map { my $method = $_; $method => sub { my ($s, @args) = @_; return $s->$method(@args) } }
		qw(psql psql_value maintain token admin_token unique_user stop_postgres restart_postgres
			start_responders restart_responder reload_responders set_env start_sim start_maintain start_nginx log_text)),
	stop_part      => sub { my ($s, $group) = @_; return $s->group($group)->stop },
	add_user       => \&add_user,
	# the body of an answer of the API, as text
	api            => sub { my ($s, $method, $path, $token, $body) = @_;
		return $s->http($method, $path, token => $token, $body ? (body => $body, headers => { 'Content-Type' => 'application/json' }) : ())->{body} },
	qr_of_data_uri => sub { return Wapool::Test::qr_of_data_uri($_[1]) },
);

my %children;    # pid => directory of its own

# A whole stack with TLS. scale: how many times shorter simulated durations are; others as Wapool::Stack->new.
sub browser_stack {
	my (%opt) = @_;
	my $scale = delete $opt{scale} // 20;
	my $s = Wapool::Stack->new(https_port => 'free', %opt,
		env => { WEBHOOK_SECRET => WEBHOOK_SECRET, %{ $opt{env} || {} } });
	start_database($s);
	$s->start_sim('--time-scale', $scale);
	$s->start_responders;
	$s->start_maintain;
	$s->start_nginx;
	$s->wait_ready;
	return $s;
}

# The script's exit status; more are variables of its environment.
sub run_browser {
	my ($s, $script, %env) = @_;
	my $root = $s->{root};
	-e "$root/t/browser/node_modules/.package-lock.json" or croak 'run `make node-modules` first';
	my $dir = File::Temp->newdir('wapool-browser.XXXXXX', TMPDIR => 1);
	my ($name) = $script =~ m{([^/]+)\.js\z};
	my $artifacts = make_dir("$s->{build}/browser/$name");
	socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC or croak "socketpair: $!";
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		POSIX::setpgid(0, 0);
		POSIX::dup2(fileno $theirs, 3);
		%ENV = (%ENV, TMPDIR => "$dir", ARTIFACTS => $artifacts, environment($s), %env);    ## no critic
		no warnings 'exec';
		exec find_program('node'), "$root/t/browser/$script";
		POSIX::_exit(127);
	}
	close $theirs;
	$children{$pid} = "$dir";
	serve($s, $ours, $pid);
	close $ours;
	my $status = end_of($pid);
	end_all_of("$dir");
	delete $children{$pid};
	return $status;
}

sub environment {
	my ($s) = @_;
	my ($cert) = $s->certificate;
	return (URL => "https://localhost:$s->{https_port}", HTTP_URL => $s->http_url, SIM_URL => $s->sim_url,
		SIM_KEY => $s->sim_key, SPKI => spki($cert));
}

# The hash by which Chromium knows a public key.
sub spki {
	my ($cert) = @_;
	return run_ok(['sh', '-c', 'openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform der'
		. ' | openssl dgst -sha256 -binary | openssl base64 -A', 'sh', $cert]);
}

# --- Calls ---

# Answers calls until the script ends or patience does.
sub serve {
	my ($s, $socket, $pid) = @_;
	my ($end, $buffer) = (time + PATIENCE, '');
	my $select = IO::Select->new($socket);
	while ((my $left = $end - time) > 0) {
		$select->can_read($left) or next;
		my $n = sysread $socket, $buffer, 65536, length $buffer;
		next if !defined $n && $!{EINTR};
		return unless $n;
		while ($buffer =~ s/\A([^\n]*)\n//) {
			print {$socket} answer($s, $1), "\n";
			$socket->flush;
		}
	}
	print "Bail out! $pid hangs\n";
	return;
}

sub answer {
	my ($s, $line) = @_;
	my $json = JSON::PP->new->utf8->allow_nonref;
	my $call = $json->decode($line);
	my @got = eval {
		my $sub = $CALLS{ $call->{method} } or die "no such call: $call->{method}\n";
		my @args = @{ $call->{args} };
		ref or utf8::encode($_) for @args;
		$sub->($s, @args);
	};
	return $json->encode({ id => $call->{id}, error => "$@" }) if $@;
	return $json->encode({ id => $call->{id}, value => decoded(@got == 1 ? $got[0] : \@got) });
}

# The same with its strings as characters; what is no data becomes true.
sub decoded {
	my ($value) = @_;
	return [map { decoded($_) } @$value] if ref $value eq 'ARRAY';
	return 1 if ref $value;
	utf8::decode($value) if defined $value;
	return $value;
}

# wapoolctl user add; more: --admin.
sub add_user {
	my ($s, $email, $password, @more) = @_;
	my ($status, $output) = $s->ctl(\$password, qw(user add), $email, '--password-stdin', @more);
	croak "user add $email: $output" if $status != 0;
	return 1;
}

# --- Ends ---

# Waits for the script, with force if it does not end; its exit status.
sub end_of {
	my ($pid) = @_;
	my $status;
	my $ended = sub { waitpid($pid, POSIX::WNOHANG()) == $pid ? do { $status = $?; 1 } : 0 };
	wait_until(5, $ended);
	for my $signal (qw(TERM KILL)) {
		last if defined $status;
		kill $signal, -$pid;
		wait_until(5, $ended);
	}
	return defined $status ? ($status & 127 ? 128 + ($status & 127) : $status >> 8) : 1;
}

# Ends what still runs with that directory in its command line: Chromium, which has process groups of its own.
sub end_all_of {
	my ($dir) = @_;
	return wait_until(5, sub {
		my @left = grep { $_ != $$ && index(command_line($_), $dir) >= 0 } map { m{([0-9]+)} } glob '/proc/[0-9]*';
		kill 'KILL', @left;
		return !@left;
	});
}

sub command_line { return eval { slurp("/proc/$_[0]/cmdline") } // '' }

END {
	my $status = $?;
	for my $pid (keys %children) {
		kill 'KILL', -$pid;
		end_all_of($children{$pid});
	}
	$? = $status;    ## no critic
}

1;
