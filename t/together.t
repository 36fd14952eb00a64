#!/usr/bin/perl
# my-connection answers those who ask at the same time with one statement: each gets what he would have got alone.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use List::Util qw(max);
use Test::More;

use Wapool::Test qw(stack stock burst burst_while_locked shared_by eventually);

use constant MY => '/api/whatsapp/my-connection';

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $s = stack(helper => 0, responders => [qw(connect my-connection)],    # no webhook changes what is compared
	env => { THREADS => 1, POOL_TARGET => 10, POOL_LOW => 5, POOL_STEP => 10 });
stock($s);
my @connected = map { $s->unique_user } 1 .. 6;
my %instance  = map { $_ => connect_user($_) } @connected;
my ($gone, $cut) = ($s->unique_user, $s->unique_user);
connect_user($_) for $gone, $cut;
my %device = map { $_->[0] => $_->[1] } $s->psql('SELECT user_id, id FROM devices');
$s->psql("UPDATE users SET disabled_at = now() WHERE id = '$gone'");
$s->psql("UPDATE instances SET status = 'WORKING', phone_number = '5511912345678\@c.us' WHERE name = '$instance{$connected[0]}'");
$s->psql("UPDATE instances SET missing_since = now() - interval '1 hour', status = 'WORKING' WHERE name = '$instance{$connected[1]}'");

my @all = ((map { asked($_) } @connected),
	{ %{ asked($connected[2]) }, headers => { 'Accept-Language' => 'en' } },
	asked($connected[3], "?deviceId=$device{$connected[3]}"),
	asked($connected[3], "?deviceId=$device{$connected[4]}"),
	asked($connected[3], '?deviceId=none'),
	asked($s->unique_user),
	asked($gone),
	{ method => 'GET', path => MY },
	{ method => 'GET', path => MY, token => $s->token($connected[5], exp => time - 60) });
my @alone = map { told($_) } map { burst($s, $_) } @all;

subtest 'alone: all kinds of answers' => sub {
	is_deeply [map { $_->{status} } @alone], [(200) x 8, 404, 422, 200, (401) x 3], 'statuses';
	is_deeply [map { $alone[$_]{instanceName} } 0 .. 5], [@instance{@connected}], 'each his own instance';
	is_deeply [map { $alone[$_]{connected} ? 1 : 0 } 0 .. 2], [1, 0, 0], 'one is connected';
	is $alone[1]{status_word}, 'MISSING', 'one is missing at its gateway';
};

subtest 'together: the same' => sub {
	my $most = 0;
	# nginx keeps the connections of the first time, and requests on new ones come alone
	for my $time (1 .. 5) {
		my @answers = burst_while_locked($s, 'devices', @all);
		is_deeply [map { told($_) } @answers], \@alone, "time $time: nobody gets another's";
		$most = max(shared_by($s, 'my-connection', @answers));
		last if $most >= 3;
	}
	cmp_ok $most, '>=', 3, 'three at least shared a statement';
};

subtest 'when the database does not answer, all of them hear of it' => sub {
	$s->stop_postgres;
	is_deeply [map { $_->{status} } burst($s, map { asked($_) } @connected)], [(503) x 6], 'unavailable';
	$s->start_postgres;
	ok eventually(sub { (burst($s, asked($connected[0])))[0]{status} == 200 }), 'and then it is over';
	is_deeply [map { told($_) } burst($s, @all)], \@alone, 'for all';
};

$s->stop;
done_testing;

sub connect_user {
	my ($user) = @_;
	my $answer = $s->http(POST => '/api/whatsapp/connect', token => $s->token($user), json => {});
	die "connect: $answer->{status} $answer->{body}" if $answer->{status} != 200;
	return $answer->{json}{instanceName};
}

sub asked { my ($user, $query) = @_; return { method => 'GET', path => MY . ($query // ''), token => $s->token($user) } }

# An answer without what differs each time.
sub told {
	my ($answer) = @_;
	my %told = %{ $answer->{json} || decode_json($answer->{body}) };
	$told{status_word} = $told{status};
	delete $told{requestId};
	return { %told, status => $answer->{status} };
}
