package Wapool::Subscriber;

# Somebody who receives events: an HTTP server on a port of 127.0.0.1 that writes down every request and
# answers as it was told, per path. Ends with the object.
#
#   my $sub = Wapool::Subscriber->new;
#   $sub->answers('/a', { status => 500 }, { status => 503, headers => { 'Retry-After' => 7 } }, { status => 200, sleep => 2 });
#   $sub->url('/a');  $sub->requests('/a');    # [{path, headers (lower case), body, json, at, n}, ...]
#
# The last of the answers stays. {close => 1} takes the request and hangs up. verified($request, $secret)
# checks a signature with Perl's own HMAC, in the way of the Standard Webhooks libraries.

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA qw(hmac_sha256);
use Fcntl qw(LOCK_EX O_APPEND O_CREAT O_WRONLY);
use File::Temp ();
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX ();
use Time::HiRes qw(sleep time);

use Wapool::Process qw(free_ports slurp spew wait_until);

my $json = JSON::PP->new->utf8->canonical;

sub new {
	my ($class) = @_;
	my $self = bless { owner => $$, dir => File::Temp::tempdir('subscriber.XXXXXX', TMPDIR => 1, CLEANUP => 1) }, $class;
	$self->start;
	return $self;
}

# Listens (again, on the port it had).
sub start {
	my ($self) = @_;
	($self->{port}) = free_ports(1) unless $self->{port};    # none that the kernel gives to others while we are away
	my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{port}, Listen => 256,
		ReuseAddr => 1) or croak "subscriber: $@";
	$self->{pid}  = fork // croak "fork: $!";
	return if $self->{pid};
	POSIX::setpgid(0, 0);
	$SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);
	$SIG{CHLD} = 'IGNORE';
	my $parent = getppid;
	while (getppid == $parent) {
		vec(my $ready = '', fileno $listen, 1) = 1;
		next unless select($ready, undef, undef, 0.5) > 0 && (my $peer = $listen->accept);
		my $child = fork // next;
		next if $child;
		close $listen;
		$self->serve($peer);
		POSIX::_exit(0);
	}
	POSIX::_exit(0);
}

# Does not listen any more; what is open breaks.
sub stop {
	my ($self) = @_;
	return unless $self->{pid} && $self->{owner} == $$;
	kill 'KILL', -$self->{pid}, $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

sub url { return "http://127.0.0.1:$_[0]{port}$_[1]" }

sub answers {
	my ($self, $path, @answers) = @_;
	spew($self->file('answers', $path), $json->encode(\@answers));
	unlink $self->file('count', $path);
	return;
}

sub file {
	my ($self, $kind, $path) = @_;
	return "$self->{dir}/$kind" . ($path =~ tr{/}{-}r);
}

sub serve {
	my ($self, $peer) = @_;
	while (my $request = read_request($peer)) {
		my $answer = $self->answer_for($request);
		sleep $answer->{sleep} if $answer->{sleep};
		return if $answer->{close};
		my $body = $answer->{body} // '';
		my %header = ('Content-Length' => length $body, %{ $answer->{headers} || {} });
		print {$peer} join "\r\n", 'HTTP/1.1 ' . ($answer->{status} // 200) . ' x',
			(map { "$_: $header{$_}" } sort keys %header), '', $body;
		$peer->flush;
	}
	return;
}

sub read_request {
	my ($peer) = @_;
	local $/ = "\r\n";
	my $line = <$peer> // return;
	my ($method, $path) = $line =~ m{\A(\S+) (\S+) HTTP/1} or return;
	my %header;
	while (defined(my $field = <$peer>)) {
		last if $field eq "\r\n";
		$header{ lc $1 } = $2 if $field =~ /\A([^:]+):\s*(.*?)\r\n\z/;
	}
	my $body = '';
	my $left = $header{'content-length'} // 0;
	while ($left > 0) {
		my $n = read $peer, $body, $left, length $body;
		return unless $n;
		$left -= $n;
	}
	return { method => $method, path => $path, headers => \%header, body => $body, at => time };
}

# Writes the request down and finds the answer, one at a time.
sub answer_for {
	my ($self, $request) = @_;
	sysopen my $lock, "$self->{dir}/lock", O_WRONLY | O_CREAT or die "lock: $!";
	flock $lock, LOCK_EX;
	my $path  = $request->{path};
	my $count = $self->file('count', $path);
	my $n     = -e $count ? slurp($count) : 0;
	spew($count, $n + 1);
	$request->{n} = $n;
	sysopen my $log, "$self->{dir}/requests", O_WRONLY | O_CREAT | O_APPEND or die "log: $!";
	syswrite $log, $json->encode($request) . "\n";
	my $file = $self->file('answers', $path);
	my @answers = -e $file ? @{ $json->decode(slurp($file)) } : ();
	return {} unless @answers;
	return $answers[$n < @answers ? $n : -1];
}

# The requests so far, of that path or all, each with its body decoded.
sub requests {
	my ($self, $path) = @_;
	my $file = "$self->{dir}/requests";
	return unless -e $file;
	my @all = map { $json->decode($_) } split /^/, slurp($file);
	$_->{json} = eval { $json->decode($_->{body}) } for @all;
	return grep { !defined $path || $_->{path} eq $path } @all;
}

# Waits until there are n of them; returns all there are then.
sub wait_for {
	my ($self, $path, $n, $seconds) = @_;
	my @got;
	wait_until($seconds // 15, sub { @got = $self->requests($path); @got >= $n });
	return @got;
}

# How many of the request's signatures are right under that secret.
sub verified {
	my ($request, $secret) = @_;
	my $h = $request->{headers};
	my $key = decode_base64($secret =~ s/\Awhsec_//r);
	my $want = 'v1,' . encode_base64(hmac_sha256("$h->{'webhook-id'}.$h->{'webhook-timestamp'}.$request->{body}", $key), '');
	return 0 if abs(time - $h->{'webhook-timestamp'}) > 300;
	return scalar grep { $_ eq $want } split / /, $h->{'webhook-signature'} // '';
}

sub DESTROY {
	my ($self) = @_;
	local ($?, $@, $!);
	$self->stop;
	return;
}

1;
