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
	return { status => $answer->{status}, headers => $answer->{headers}, body => $answer->{content},
		json => $json };
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
