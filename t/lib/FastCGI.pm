package FastCGI;

# A small FastCGI client, the parent that holds a responder's listening socket, and
# plain CGI: what the tests need to stand in for a web server. Core modules only.

use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);

use constant {
	BEGIN_REQUEST => 1, ABORT_REQUEST => 2, END_REQUEST => 3,
	PARAMS => 4, STDIN_STREAM => 5, STDOUT_STREAM => 6, STDERR_STREAM => 7,
};

# --- processes

# A listening unix socket, which outlives the responders that inherit it.
sub listen_on {
	my ($path) = @_;
	return IO::Socket::UNIX->new(Local => $path, Type => SOCK_STREAM, Listen => 512)
		// die "$path: $!";
}

# Starts a command with the handle $in as standard input; the process id. Options: out
# (a handle), err (a file, appended to), dir, env (name => value; undef removes).
sub start {
	my ($command, $in, %opt) = @_;
	my $pid = fork() // die "fork: $!";
	return $pid if $pid;
	$SIG{$_} = 'DEFAULT' for qw(INT TERM USR1 PIPE ALRM);
	POSIX::dup2(fileno($in), 0);
	POSIX::dup2(fileno($opt{out}), 1) if $opt{out};
	if ($opt{err}) {
		open my $err, '>>', $opt{err} or POSIX::_exit(127);
		POSIX::dup2(fileno($err), 2);
	}
	while (my ($name, $value) = each %{ $opt{env} // {} }) {
		defined $value ? ($ENV{$name} = $value) : delete $ENV{$name};
	}
	chdir $opt{dir} if $opt{dir};
	exec { $command->[0] } @$command or POSIX::_exit(127);
}

# --- requests

# The CGI variables of a request, as nginx sends them. Options: query, body, length
# (instead of the body's), id, and any variable by its name.
sub params {
	my ($method, $path, %opt) = @_;
	my %extra = map { $_ => $opt{$_} } grep { /^[A-Z]/ } keys %opt;
	return {
		REQUEST_METHOD => $method,
		DOCUMENT_URI => $path,
		QUERY_STRING => $opt{query} // '',
		CONTENT_TYPE => '',
		CONTENT_LENGTH => $opt{length} // (defined $opt{body} ? length $opt{body} : ''),
		REQUEST_ID => $opt{id} // 'test-0123456789',
		GATEWAY_INTERFACE => 'CGI/1.1',
		%extra,
	};
}

sub record {
	my ($type, $content) = @_;
	return pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content;
}

sub stream {
	my ($type, $content) = @_;
	my $out = '';
	$out .= record($type, substr $content, 0, 65528, '') while length $content;
	return $out;
}

sub size { $_[0] < 128 ? pack('C', $_[0]) : pack('N', $_[0] | 0x80000000) }

# The records up to the end of the parameters.
sub head {
	my ($params, $keep) = @_;
	my $pairs = join '', map {
		size(length $_) . size(length $params->{$_}) . $_ . $params->{$_}
	} sort keys %$params;
	return record(BEGIN_REQUEST, pack('nCx5', 1, $keep ? 1 : 0))
		. stream(PARAMS, $pairs) . record(PARAMS, '');
}

sub body { stream(STDIN_STREAM, $_[0] // '') . record(STDIN_STREAM, '') }

# --- connections

sub connect {
	my ($class, $path) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $path, Type => SOCK_STREAM)
		or return;
	return bless { socket => $socket }, $class;
}

# Sends all bytes, or as many as the other end takes; true if all.
sub send {
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $at = 0;
	while ($at < length $bytes) {
		my $n = syswrite $self->{socket}, $bytes, length($bytes) - $at, $at;
		return 0 unless defined $n;
		$at += $n;
	}
	return 1;
}

# Exactly n bytes, fewer at the end of the connection.
sub take {
	my ($self, $n) = @_;
	my $out = '';
	while (length $out < $n) {
		my $got = sysread $self->{socket}, $out, $n - length $out, length $out;
		last unless $got;
	}
	return $out;
}

# Reads one response: { ended, out, status, headers, body }. ended is false if the
# connection broke off before the end of the request.
sub response {
	my ($self) = @_;
	my %r = (out => '', err => '', ended => 0);
	while (length(my $header = $self->take(8)) == 8) {
		my ($type, $length, $padding) = (unpack 'CCnnCC', $header)[1, 3, 4];
		my $content = $self->take($length);
		$self->take($padding);
		last if length $content < $length;
		$r{out} .= $content if $type == STDOUT_STREAM;
		$r{err} .= $content if $type == STDERR_STREAM;
		$r{ended} = 1, last if $type == END_REQUEST;
	}
	return { %r, parse($r{out}) };
}

# The parts of a CGI answer.
sub parse {
	my ($out) = @_;
	my ($head, $body) = split /\r\n\r\n/, $out, 2;
	my %headers = map { /^([^:]+): (.*)$/ ? (lc $1 => $2) : () }
		split /\r\n/, $head // '';
	my $status = ($headers{status} // '') =~ /^(\d+)/ ? $1 : 0;
	return (status => $status, headers => \%headers, body => $body // '');
}

# One request on this connection and its response.
sub ask {
	my ($self, $method, $path, %opt) = @_;
	$self->send(head(params($method, $path, %opt), $opt{keep}) . body($opt{body}));
	return $self->response;
}

# True if the other end closes the connection (false if it sends something).
sub closed { return length $_[0]->take(1) == 0 }

# One request on a connection of its own.
sub request {
	my ($path, @request) = @_;
	my $c = FastCGI->connect($path)
		or return { ended => 0, status => 0, body => '', headers => {}, out => '' };
	return $c->ask(@request);
}

1;
