package Wapool::Client;

# What tests do to a running stack from outside: HTTP requests, bearer tokens, SQL. Methods of
# Wapool::Stack, which inherits them.

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA qw(hmac_sha256);
use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);

use Wapool::Process qw(random_hex);

# A request to the HTTP port (redirects are not followed).
#   token => a bearer token, json => a body to encode, body => bytes, headers => {…}, timeout => s
# Returns {status, headers (names in lower case), body, json (the body decoded, undef if it is not JSON)};
# status 599 means no answer, body says why.
sub http {
	my ($self, $method, $path, %opt) = @_;
	my %headers = %{ $opt{headers} || {} };
	$headers{Authorization} = "Bearer $opt{token}" if defined $opt{token};
	my $body = $opt{body};
	if (exists $opt{json}) {
		$body = JSON::PP->new->utf8->allow_nonref->encode($opt{json});
		$headers{'Content-Type'} //= 'application/json';
	}
	my $answer = $self->user_agent($opt{timeout})->request($method, $self->http_url . $path,
		{ headers => \%headers, defined $body ? (content => $body) : () });
	my $json = eval { JSON::PP->new->utf8->allow_nonref->decode($answer->{content}) };
	$self->note_exchange($method, $path, \%headers, $body, $answer->{status}, $answer->{headers},
		$answer->{content});
	return { status => $answer->{status}, headers => $answer->{headers}, body => $answer->{content},
		json => $json };
}

# Writes an exchange down for t/traffic-check if WAPOOL_TRAFFIC names a directory: so many of a process, and
# bodies up to a size (undef instead of a longer one), that the disk does not fill.
my $noted = 0;

sub note_exchange {
	my ($self, $method, $path, $headers, $body, $status, $answer, $content) = @_;
	my $dir = $ENV{WAPOOL_TRAFFIC};
	return if !$dir || $status == 599 || $noted++ >= 4000;
	my %line = (
		method => $method, path => $path, status => 0 + $status, test => $0,
		headers => { map { lc $_ => $headers->{$_} } grep { !/authorization/i } keys %$headers },
		answer => { map { lc $_ => ref $answer->{$_} ? $answer->{$_}[0] : $answer->{$_} } keys %$answer });
	for ([body => $body], [content => $content]) {
		my ($name, $text) = @$_;
		$text = undef if defined $text && (length $text > 65536 || !utf8::decode($text));
		$line{$name} = $text;
	}
	open my $out, '>>', "$dir/$$.jsonl" or croak "$dir: $!";
	print {$out} JSON::PP->new->utf8->encode(\%line), "\n";
	close $out or croak "$dir: $!";
	return;
}

# One connection kept per process (a forked child gets its own).
sub user_agent {
	my ($self, $timeout) = @_;
	$timeout //= 60;
	return $self->{user_agent}{"$$ $timeout"} //= HTTP::Tiny->new(
		timeout => $timeout, max_redirect => 0, keep_alive => 1, agent => 'wapool-test ',
		no_proxy => '127.0.0.1');
}

sub http_url { return "http://127.0.0.1:$_[0]{http_port}" }

# A bearer token as /api/auth/login makes them, for that user id; claims replace or add, undef removes.
sub token {
	my ($self, $sub, %claims) = @_;
	my %payload = (sub => $sub, aud => 'authenticated', role => 'authenticated', iat => time,
		exp => time + 3600, %claims);
	delete @payload{ grep { !defined $payload{$_} } keys %payload };
	my $json = JSON::PP->new->utf8->canonical;
	my $signed = join '.', map { encode_base64url($json->encode($_)) } { alg => 'HS256', typ => 'JWT' },
		\%payload;
	return "$signed." . encode_base64url(hmac_sha256($signed, $self->jwt_secret));
}

# The same for an administrator.
sub admin_token {
	my ($self, $sub, %claims) = @_;
	return $self->token($sub, app_metadata => { role => 'admin' }, %claims);
}

# A user id that nobody had before.
sub unique_user {
	my $hex = random_hex(16);
	substr $hex, 12, 1, '4';
	substr $hex, 16, 1, 'a';
	return join '-', unpack 'A8 A4 A4 A4 A12', $hex;
}

# Runs one SQL statement as the role wapool (or as => 'postgres', the superuser); the rows as
# references to lists of texts, NULL as undef. Dies if it fails.
sub psql {
	my ($self, $sql, %opt) = @_;
	my ($status, $output) = $self->postgres->psql_program($opt{as} // 'wapool', 'wapool', $sql);
	croak "SQL: $output" if $status != 0;
	$output =~ s/\n\z//;
	return map { [map { $_ eq "\x01" ? undef : $_ } split /\x1f/, $_, -1] }
		split /\x1e/, $output, -1;
}

# The first field of the first row, undef if there is none.
sub psql_value {
	my ($self, $sql, %opt) = @_;
	my ($row) = $self->psql($sql, %opt);
	return $row ? $row->[0] : undef;
}

1;
