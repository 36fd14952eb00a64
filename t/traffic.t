#!/usr/bin/perl
# t/traffic-check: it finds what a document or a program may get wrong, and complains of nothing else.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib";

use File::Temp ();
use JSON::PP ();
use Test::More;

use Wapool::Client;
use Wapool::Process qw(run_program slurp spew);

my $root     = "$FindBin::Bin/..";
my $document = "$root/docs/openapi.yaml";
my $json     = JSON::PP->new->utf8->canonical;

# A good exchange: a disconnection.
my %good = (
	method => 'POST', path => '/api/whatsapp/disconnect', status => 200, test => 'a test', headers => {}, body => '{}',
	answer  => { 'content-type' => 'application/json', 'x-request-id' => 'abc', 'cache-control' => 'no-store' },
	content => '{"success":true,"message":"ok"}');
my $uuid = '0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01';
my %problem = (type => 'urn:wapool:problem:unauthorized', title => 'a', status => 401, detail => 'b', instance => '/',
	error => 'a', message => 'b', requestId => 'c');

# traffic-check on the lines: (its exit status, what it printed).
sub check_lines {
	my ($file, @lines) = @_;
	my $dir = File::Temp->newdir;
	spew("$dir/1.jsonl", join('', map { "$_\n" } @lines), 0644) if @lines;
	return run_program(["$root/t/traffic-check", $file, "$dir"]);
}

sub passes {
	my ($what, %change) = @_;
	my ($status, $output) = check_lines($document, $json->encode({ %good, %change }));
	is $status, 0, $what or diag $output;
	return;
}

sub fails {
	my ($what, $complaint, %change) = @_;
	my ($status, $output) = check_lines($document, $json->encode({ %good, %change }));
	is $status >> 8 || $status, 1, $what;
	like $output, $complaint, '... and why';
	return;
}

subtest 'the document as it is' => sub {
	my ($status, $output) = run_program(["$root/t/traffic-check", $document]);
	is $status, 0, 'is clean' or diag $output;
};

subtest 'what is documented passes' => sub {
	passes('a good exchange');
	passes('HEAD is GET without a body', method => 'HEAD', path => '/livez', content => '', body => undef,
		answer => { 'x-request-id' => 'a', 'cache-control' => 'no-store' });
	passes('OPTIONS', method => 'OPTIONS', status => 204, content => '', answer => {});
	passes('a problem', status => 401, content => $json->encode(\%problem),
		answer => { 'content-type' => 'application/problem+json', 'x-request-id' => 'a',
			'www-authenticate' => 'Bearer realm="wapool"' });
	passes('a request that was refused may be anything', status => 422, body => '{"deviceId":7}',
		content => $json->encode({ %problem, status => 422, type => 'urn:wapool:problem:invalid-field' }),
		answer => { 'content-type' => 'application/problem+json', 'x-request-id' => 'a' });
	passes('an address of nobody, not found', path => '/api/nothing', status => 404, content => '{}');
	passes('the pages of the site are not the API', method => 'GET', path => '/index.html', content => '<html>');
	passes('a body that was too long to keep', content => undef);
};

subtest 'what is not documented fails' => sub {
	fails('a path', qr/the path is not documented/, path => '/api/whatsapp/secret');
	fails('a method', qr/the method is not documented/, method => 'PUT');
	fails('a status', qr/status 203 is not documented/, status => 203);
	fails('a 404 where there is none', qr/status 404 is not documented/, method => 'GET', path => '/livez', status => 404);
	fails('a member of an answer', qr/'extra' was unexpected/, content => '{"success":true,"message":"ok","extra":1}');
	fails('a missing member', qr/'message' is a required property/, content => '{"success":true}');
	fails('a wrong type', qr/message: 7 is not of type/, content => '{"success":true,"message":7}');
	fails('an answer that is not JSON', qr/not JSON/, content => '{"success":');
	fails('a media type', qr{text/html is not documented},
		answer => { %{ $good{answer} }, 'content-type' => 'text/html' });
	fails('a missing header', qr/header X-Request-Id is missing/, answer => { 'content-type' => 'application/json' });
	fails('a header\'s value', qr/header Cache-Control/, answer => { %{ $good{answer} }, 'cache-control' => 'public' });
	fails('a request that was taken and does not fit', qr/request: deviceId/, body => '{"deviceId":7}');
	fails('an unknown member that was taken', qr/request: .*'surprise' was unexpected/, path => "/api/waha/servers/$uuid",
		method => 'PATCH', body => '{"surprise":1}', content => 'x');
	fails('a problem that is not whole', qr/'requestId' is a required property/, status => 401,
		content => $json->encode({ map { $_ => $problem{$_} } grep { $_ ne 'requestId' } keys %problem }),
		answer => { 'content-type' => 'application/problem+json', 'x-request-id' => 'a' });
};

subtest 'a run that wrote nothing down fails' => sub {
	my ($status, $output) = check_lines($document);
	isnt $status, 0, 'no exchange';
	like $output, qr/no exchange was written down/, '... and why';
	isnt((check_lines($document, '{"half'))[0], 0, 'a line that was cut');
};

subtest 'a document that is wrong fails' => sub {
	my %mistakes = (
		'a member that OpenAPI does not have' => [qr/summry/, sub { s/^      summary: /      summry: /m }],
		'two operations of one id'            => [qr/operationId/, sub { s/operationId: livez/operationId: readyz/ }],
		'a reference to nothing'              => [qr/leads nowhere/, sub { s{schemas/Health'}{schemas/Helth'} }],
		'an example that does not fit'        => [qr/its example/, sub { s/expiresIn: 3600/expiresIn: soon/ }],
		'a placeholder that is not declared'  => [qr/placeholders are/, sub { s/name: id, in: path/name: ix, in: path/ }]);
	for my $what (sort keys %mistakes) {
		my ($complaint, $edit) = @{ $mistakes{$what} };
		my $file = File::Temp->new(SUFFIX => '.yaml');
		local $_ = slurp($document);
		$edit->();
		spew($file->filename, $_, 0644);
		my ($status, $output) = run_program(["$root/t/traffic-check", $file->filename]);
		isnt $status, 0, $what;
		like $output, $complaint, '... and why';
	}
};

subtest 'exchanges are written down as they were' => sub {
	my $dir = File::Temp->newdir;
	local $ENV{WAPOOL_TRAFFIC} = "$dir";
	my $client = bless {}, 'Wapool::Client';
	$client->note_exchange(POST => '/livez?a=b', { Authorization => 'Bearer CANARY', Accept => 'x' }, '{"a":1}', 200,
		{ 'Content-Type' => 'a/b' }, "\xc3\xa9");
	$client->note_exchange(GET => '/livez', {}, undef, 599, {}, 'no answer');
	$client->note_exchange(GET => '/long', {}, undef, 200, {}, 'x' x 70_000);
	my ($line, $long, @more) = split /\n/, slurp("$dir/$$.jsonl");
	is_deeply $json->decode($line), { method => 'POST', path => '/livez?a=b', status => 200, test => $0,
		headers => { accept => 'x' }, body => '{"a":1}', answer => { 'content-type' => 'a/b' }, content => "\xe9" },
		'whole, but for tokens';
	is $json->decode($long)->{content}, undef, 'without a body that is too long';
	is_deeply \@more, [], 'and nothing of what got no answer';
};

done_testing;
