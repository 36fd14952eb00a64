package Wapool::Stream;

# Somebody who listens to live updates: GET /api/whatsapp/events on a connection of its own, over HTTP/1.1.
#
#   my $stream = Wapool::Stream->new($s, token => $token);    # last => an id; headers => {…}
#   is $stream->{status}, 200;
#   my $event = $stream->event('device.connected');    # {id, event, data (decoded), at}; undef: none came in time
#   my @all = $stream->all;                             # what has come by now, taken or not
#   $stream->ended;                                     # waits for the end: true if the server ended it
#   $stream->close;

use strict;
use warnings;

use Carp qw(croak);
use IO::Select ();
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time);

use constant PATIENCE => 30;

sub new {
	my ($class, $s, %opt) = @_;
	my $path = '/api/whatsapp/events';
	my %header = (Host => 'localhost', Accept => 'text/event-stream', %{ $opt{headers} || {} });
	$header{Authorization}   = "Bearer $opt{token}" if defined $opt{token};
	$header{'Last-Event-ID'} = $opt{last}           if defined $opt{last};
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->{http_port}, Timeout => 10)
		or croak "stream: $@";
	my $self = bless { socket => $socket, in => '', events => [], taken => 0 }, $class;
	syswrite $socket, join "\r\n", "GET $path HTTP/1.1", (map { "$_: $header{$_}" } sort keys %header), '', '';
	$self->fill until $self->{in} =~ /\r\n\r\n/ || $self->{over};
	my ($head, $rest) = split /\r\n\r\n/, $self->{in}, 2;
	($self->{status}) = ($head // '') =~ m{\AHTTP/1\.1 ([0-9]{3})} or croak 'stream: no answer';
	for (split /\r\n/, $head) {
		push @{ $self->{headers}{ lc $1 } }, $2 if /\A([^:]+): *(.*)\z/;
	}
	$self->{in} = $rest;
	$self->parse;
	$s->note_exchange('GET', $path, \%header, undef, $self->{status}, $self->{headers}, '') if $self->{status} == 200;
	return $self;
}

# Reads once, for a second at the most.
sub fill {
	my ($self) = @_;
	return unless IO::Select->new($self->{socket})->can_read(1);
	my $n = sysread $self->{socket}, $self->{in}, 65536, length $self->{in};
	$self->{over} = 1 unless $n;
	return;
}

sub parse {
	my ($self) = @_;
	while ($self->{in} =~ s/\A(.*?)\n\n//s) {
		my %field;
		for (split /\n/, $1) {
			$field{ $1 || 'comment' } = $2 if /\A([a-z]*): ?(.*)\z/;
		}
		next unless defined $field{data};
		push @{ $self->{events} }, { id => $field{id}, event => $field{event}, at => time,
			data => JSON::PP->new->utf8->decode($field{data}) };
	}
	return;
}

# The next event of that type (any), which those before it are skipped for.
sub event {
	my ($self, $type, $seconds) = @_;
	my $end = time + ($seconds // PATIENCE);
	for (;;) {
		while (my $event = $self->{events}[ $self->{taken} ]) {
			$self->{taken}++;
			return $event if !defined $type || $event->{event} eq $type;
		}
		return if $self->{over} || time > $end;
		$self->fill;
		$self->parse;
	}
}

sub all { return @{ $_[0]{events} } }

sub ended {
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // PATIENCE);
	$self->fill while !$self->{over} && time < $end;
	$self->parse;
	return $self->{over};
}

sub close {
	my ($self) = @_;
	return close $self->{socket};
}

1;
