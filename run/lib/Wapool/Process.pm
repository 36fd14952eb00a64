package Wapool::Process;

# Files, ports, users and programs: the small tools of run/ and of the tests.

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use File::Copy ();
use Fcntl qw(O_CREAT O_EXCL O_NOFOLLOW O_WRONLY);
use File::Path qw(make_path);
use File::Temp ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(run_program run_ok as_user slurp spew random_hex make_dir own reachable
	alive wait_until free_ports port_taken listens find_program copy_tree);

# Runs a program to its end. Returns (exit status, what it wrote); a death by signal is 128 + signal.
#   env => {…} its whole environment, stdin => text, dir => where, as => user (when root),
#   err => \my $text: what it writes to fd 2 goes there instead
sub run_program {
	my ($argv, %opt) = @_;
	my @argv = (as_user($opt{as}), @$argv);
	pipe my $out_r, my $out_w or croak "pipe: $!";
	pipe my $in_r,  my $in_w  or croak "pipe: $!";
	my $err = $opt{err} ? File::Temp->new : $out_w;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		POSIX::dup2(fileno $in_r, 0);
		POSIX::dup2(fileno $out_w, 1);
		POSIX::dup2(fileno $err, 2);
		$SIG{$_} = 'DEFAULT' for qw(TERM INT PIPE);
		%ENV = %{ $opt{env} } if $opt{env};    ## no critic
		no warnings 'exec';
		chdir($opt{dir} // '.') and exec { $argv[0] } @argv;
		syswrite STDERR, "$argv[0]: $!\n";
		POSIX::_exit(127);
	}
	close $_ for $in_r, $out_w;
	local $SIG{PIPE} = 'IGNORE';
	print {$in_w} $opt{stdin} if defined $opt{stdin};
	close $in_w;
	my $output = do { local $/ = undef; <$out_r> } // '';
	waitpid $pid, 0;
	${ $opt{err} } = slurp($err->filename) if $opt{err};
	return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $output);
}

# The same; dies with what the program wrote unless it ended with 0. Returns its output.
sub run_ok {
	my ($argv, %opt) = @_;
	my ($status, $output) = run_program($argv, %opt);
	croak "$argv->[0]: exit status $status\n$output" if $status != 0;
	return $output;
}

# What to put before a command so that it runs as that user; nothing unless we are root.
sub as_user {
	my ($user) = @_;
	return () unless defined $user && $> == 0;
	return ('/usr/bin/setpriv', "--reuid=$user", "--regid=$user", '--init-groups', '--');
}

sub slurp {
	my ($path) = @_;
	open my $fh, '<:raw', $path or croak "$path: $!";
	local $/ = undef;
	return scalar <$fh> // '';
}

# Writes a file in one step (a reader sees the old or the new one), with that mode from its start.
sub spew {
	my ($path, $text, $mode) = @_;
	my $umask = umask 0777 & ~($mode // 0644);
	unlink "$path.new";    # and made anew: what somebody put there is not followed
	my $opened = sysopen my $fh, "$path.new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, $mode // 0644;
	umask $umask;
	croak "$path: $!" unless $opened;
	chmod $mode // 0644, "$path.new";
	print {$fh} $text;
	close $fh and rename "$path.new", $path or croak "$path: $!";
	return $path;
}

# n random bytes as hex digits.
sub random_hex {
	my ($n) = @_;
	open my $fh, '<:raw', '/dev/urandom' or croak "/dev/urandom: $!";
	sysread($fh, my $bytes, $n) == $n or croak "/dev/urandom: $!";
	return unpack 'H*', $bytes;
}

# Makes a directory (and those above it) if it is missing, and gives it that mode.
sub make_dir {
	my ($path, $mode) = @_;
	make_path($path);
	chmod $mode // 0755, $path or croak "$path: $!";
	return $path;
}

# Gives a file or directory to a user, when root.
sub own {
	my ($user, @paths) = @_;
	return if $> != 0;
	my ($uid, $gid) = (getpwnam $user)[2, 3];
	croak "no user $user on this machine" unless defined $uid;
	chown $uid, $gid, $_ or croak "$_: $!" for @paths;
	return;
}

# Whether that user can enter the directory. Always, unless we are root and he is somebody else.
sub reachable {
	my ($dir, $user) = @_;
	return 1 if $> != 0;
	my ($status) = run_program(['/usr/bin/test', '-x', $dir], as => $user);
	return $status == 0;
}

# Whether a process runs (a zombie does not).
sub alive {
	my ($pid) = @_;
	return 0 unless $pid;
	waitpid $pid, WNOHANG;
	open my $fh, '<', "/proc/$pid/stat" or return 0;
	my $line = <$fh> // return 0;
	return $line =~ /\) ([A-Za-z])/ && $1 ne 'Z';
}

# Polls until the sub returns true; returns that, or false after so many seconds.
sub wait_until {
	my ($seconds, $check) = @_;
	my $end = time + $seconds;
	while (1) {
		my $answer = $check->();
		return $answer if $answer || time > $end;
		sleep 0.03;
	}
}

# n free ports of 127.0.0.1. Below the range the kernel hands out, from a block chosen by our pid, so
# that tests that run side by side seldom meet. Ours until we end, also while nobody listens there: their names, as
# sockets without a file, are taken.
my $next_port = 0;
my @names;

sub free_ports {
	my ($n) = @_;
	my @ports;
	for (1 .. 2000) {
		my $port = 20000 + ($$ * 8 + $next_port++) % 12000;
		my $name = IO::Socket::UNIX->new(Local => "\0wapool-port-$port", Listen => 1);
		next if !$name || port_taken($port);
		push @names, $name;
		push @ports, $port;
		return @ports if @ports == $n;
	}
	croak 'no free port';
}

# Whether somebody listens there. By connecting: to try the port, as port_taken does, takes it for a moment, perhaps
# that in which he is about to.
sub listens {
	my ($port) = @_;
	return !!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
}

sub port_taken {
	my ($port) = @_;
	my $socket = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1);
	return !$socket;
}

# A program's path, looked for in PATH and in the places named.
sub find_program {
	my ($name, @places) = @_;
	for my $dir (@places, split(/:/, $ENV{PATH} // ''), qw(/usr/sbin /usr/bin /sbin /bin)) {
		return "$dir/$name" if -x "$dir/$name" && !-d _;
	}
	croak "$name is not installed";
}

# Copies a directory of plain files, in depth.
sub copy_tree {
	my ($from, $to) = @_;
	make_dir($to);
	opendir my $dir, $from or croak "$from: $!";
	for my $name (grep { !/\A\.\.?\z/ } readdir $dir) {
		if (-d "$from/$name") { copy_tree("$from/$name", "$to/$name") }
		else {
			File::Copy::copy("$from/$name", "$to/$name") or croak "$from/$name: $!";
			chmod 0644, "$to/$name";
		}
	}
	return;
}

1;
