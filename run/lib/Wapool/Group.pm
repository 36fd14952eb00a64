package Wapool::Group;

# One run/supervise process and the programs it keeps running.

use strict;
use warnings;

use Carp qw(croak);
use Fcntl qw(F_SETFD);
use JSON::PP ();
use POSIX ();

use Wapool::Process qw(alive slurp spew wait_until);

# name, supervise (its path), run_dir, log_dir, group (owns the sockets), daemon (true: outlives us;
# false: ends when we end, however that happens).
sub new {
	my ($class, %self) = @_;
	return bless {%self}, $class;
}

# Starts the programs (see run/supervise for their form) and returns when each was started once.
sub start {
	my ($self, @programs) = @_;
	croak "$self->{name} runs already" if $self->running;
	$self->write_config(@programs);
	unlink $self->pid_file;
	pipe my $life_r, my $life_w or croak "pipe: $!";
	my $pid = fork // croak "fork: $!";
	$self->become_supervise($self->{daemon} ? undef : $life_r) if $pid == 0;
	$self->{life} = $life_w unless $self->{daemon};
	wait_until(20, sub { -e $self->pid_file || !alive($pid) });
	croak "$self->{name} did not start:\n" . $self->log_tail unless $self->running;
	return;
}

# The configuration as text: what decides whether something has changed.
sub config_text {
	my ($self, @programs) = @_;
	return JSON::PP->new->utf8->canonical->pretty->encode({
		name => $self->{name}, run_dir => $self->{run_dir}, log_dir => $self->{log_dir},
		group => $self->{group}, programs => \@programs });
}

sub config_file { return "$_[0]{run_dir}/$_[0]{name}.json" }
sub pid_file    { return "$_[0]{run_dir}/$_[0]{name}.supervise.pid" }
sub log_file    { return "$_[0]{log_dir}/$_[0]{name}.supervise.log" }

sub write_config {
	my ($self, @programs) = @_;
	return spew($self->config_file, $self->config_text(@programs), 0600);
}

# True if it was started with exactly this configuration.
sub is_config {
	my ($self, @programs) = @_;
	return -e $self->config_file && slurp($self->config_file) eq $self->config_text(@programs);
}

sub become_supervise {
	my ($self, $life) = @_;
	POSIX::setsid();
	$SIG{$_} = 'DEFAULT' for qw(TERM INT HUP PIPE CHLD);
	my @life;
	if ($life) {
		fcntl $life, F_SETFD, 0;
		@life = ('--life-fd', fileno $life);
	}
	open my $null, '<',  '/dev/null'     or POSIX::_exit(127);
	open my $log,  '>>', $self->log_file or POSIX::_exit(127);
	POSIX::dup2(fileno $null, 0);
	POSIX::dup2(fileno $log, $_) for 1, 2;
	no warnings 'exec';
	exec {$^X} $^X, $self->{supervise}, $self->config_file, @life;
	POSIX::_exit(127);
}

# The supervisor's pid, or undef. A pid file that outlived its process does not deceive.
sub running {
	my ($self) = @_;
	return unless -e $self->pid_file;
	my ($pid) = eval { slurp($self->pid_file) } =~ /\A([0-9]+)\n/ or return;
	return unless alive($pid);
	my $line = eval { slurp("/proc/$pid/cmdline") } // '';
	return index($line, $self->config_file) >= 0 ? $pid : undef;
}

# Sends the supervisor a signal.
sub signal {
	my ($self, $signal) = @_;
	my $pid = $self->running or return 0;
	return kill $signal, $pid;
}

# Stops the programs and the supervisor, and waits until they are gone.
sub stop {
	my ($self) = @_;
	my $pid = $self->running;
	if ($pid) {
		kill 'TERM', $pid;
		unless (wait_until(40, sub { !alive($pid) })) {
			kill 'KILL', $pid;
			wait_until(5, sub { !alive($pid) });
		}
	}
	delete $self->{life};
	unlink $self->pid_file;
	return;
}

# The pid of one program, or undef if it does not run now.
sub pid_of {
	my ($self, $name) = @_;
	my $file = "$self->{run_dir}/$name.pid";
	return unless -e $file && $self->running;
	my ($pid) = (eval { slurp($file) } // '') =~ /\A([0-9]+)\n/ or return;
	return alive($pid) ? $pid : undef;
}

sub log_tail {
	my ($self) = @_;
	my @lines = -e $self->log_file ? split /^/, slurp($self->log_file) : ();
	return join '', @lines > 20 ? @lines[-20 .. -1] : @lines;
}

1;
