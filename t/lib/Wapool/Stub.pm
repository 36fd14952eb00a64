package Wapool::Stub;

# A FastCGI responder in plain Perl, to test nginx's side and run/ without our own binaries. It answers
# 200 with a JSON object of what it was sent, or as the query says:
#   status=N   that status, with a problem body of its own
#   size=N     a body of N bytes
#   sleep=S    after S seconds
#   die=1      closes the connection without an answer

use strict;
use warnings;

use File::Path qw(make_path);
use Errno ();
use IO::Handle ();
use IO::Select ();
use JSON::PP ();
use Time::HiRes qw(sleep);

use Exporter qw(import);
our @EXPORT_OK = qw(install install_rest serve);

# Puts a stub for each name into DIR/handlers, self-contained so that any user may run it.
sub install {
	my ($dir, @names) = @_;
	make_path("$dir/handlers");
	open my $in, '<', __FILE__ or die "stub: $!";
	my $text = "#!/usr/bin/perl\n" . do { local $/ = undef; <$in> } . "\nserve();\n";
	$text =~ s/^1;\n//m;
	for my $name (@names) {
		open my $out, '>', "$dir/handlers/$name" or die "stub: $!";
		print {$out} $text;
		close $out or die "stub: $!";
		chmod 0755, "$dir/handlers/$name", "$dir/handlers", $dir;
	}
	return;
}

# Puts stubs for the other programs of `make run` into DIR: they do nothing, in good order.
sub install_rest {
	my ($dir) = @_;
	make_path("$dir/sim");
	my %script = (
		'wapool-maintain' => 'exec sleep 5',
		'wapoolctl'       => 'case "$1 $2" in "key create") umask 077; echo ' . '0' x 64 . ' >"$3";; *) cat >/dev/null;; esac',
		'sim/wapool-sim'  => 'exec sleep 1000');
	for my $name (sort keys %script) {
		open my $out, '>', "$dir/$name" or die "stub: $!";
		print {$out} "#!/bin/sh\n$script{$name}\n";
		close $out or die "stub: $!";
		chmod 0755, "$dir/$name";
	}
	return;
}

# The responder's loop: one connection at a time from the socket on fd 0. At TERM the one that was taken is
# answered and none is taken any more.
sub serve {
	my $stop = 0;
	$SIG{TERM} = sub { $stop = 1 };    ## no critic
	open my $listen, '+<&=', 0 or die "stub: fd 0: $!";
	$listen->blocking(0);
	my $select = IO::Select->new($listen);
	until ($stop) {
		my $peer;
		next unless $select->can_read(0.1) && !$stop && accept $peer, $listen;
		$peer->blocking(1);
		answer($peer);
		close $peer;
	}
	return;
}

sub answer {
	my ($peer) = @_;
	my ($params, $body) = read_request($peer) or return;
	my %ask = ($params->{QUERY_STRING} // '') =~ /([a-z]+)=([0-9.]+)/g;
	sleep $ask{sleep} if $ask{sleep};
	return if $ask{die};
	my $out = reply(\%ask, $params, $body);
	while ($out =~ /\G(.{1,65000})/gs) {
		print {$peer} pack('CCnnCC', 1, 6, 1, length $1, 0, 0), $1;
	}
	print {$peer} pack('CCnnCC', 1, 6, 1, 0, 0, 0), pack('CCnnCCNC4', 1, 3, 1, 8, 0, 0, 0, 0, 0, 0, 0);
	$peer->flush;
	return;
}

sub reply {
	my ($ask, $params, $body) = @_;
	my $json = JSON::PP->new->canonical;
	my $head = "X-Request-Id: from-the-responder\r\n";
	if ($ask->{status}) {
		return "Status: $ask->{status}\r\nContent-Type: application/problem+json\r\n$head\r\n"
			. $json->encode({ type => 'urn:stub', status => 0 + $ask->{status} });
	}
	return "Status: 200 OK\r\nContent-Type: text/plain\r\n$head\r\n" . 'x' x $ask->{size} if $ask->{size};
	return "Status: 200 OK\r\nContent-Type: application/json\r\n$head\r\n"
		. $json->encode({ params => $params, bytes => length $body, pid => $$, program => $0 });
}

# Reads a request to its end: ({parameters}, body), or nothing if the peer went away.
sub read_request {
	my ($peer) = @_;
	my ($pairs, $body) = ('', '');
	while (defined(my $head = read_exactly($peer, 8))) {
		my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', $head;
		my $content = read_exactly($peer, $length) // return;
		read_exactly($peer, $padding) // return;
		$pairs .= $content if $type == 4;
		$body  .= $content if $type == 5;
		return (decode_pairs($pairs), $body) if $type == 5 && $length == 0;
	}
	return;
}

sub read_exactly {
	my ($peer, $n) = @_;
	my $bytes = '';
	while (length $bytes < $n) {
		my $got = sysread $peer, $bytes, $n - length $bytes, length $bytes;
		next if !defined $got && $!{EINTR};
		return unless $got;
	}
	return $bytes;
}

sub decode_pairs {
	my ($bytes) = @_;
	my (%pairs, $at);
	$at = 0;
	while ($at < length $bytes) {
		my @length = map { decode_length($bytes, \$at) } 1, 2;
		$pairs{ substr $bytes, $at, $length[0] } = substr $bytes, $at + $length[0], $length[1];
		$at += $length[0] + $length[1];
	}
	return \%pairs;
}

sub decode_length {
	my ($bytes, $at) = @_;
	my $n = ord substr $bytes, $$at, 1;
	if ($n < 128) { $$at += 1; return $n }
	$n = unpack('N', substr $bytes, $$at, 4) & 0x7fffffff;
	$$at += 4;
	return $n;
}

1;
