#!/usr/bin/perl
# Two hosts, each with nginx, responders and a helper, on one database: together they keep every rule that
# one keeps.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Process qw(random_hex);
use Wapool::Test qw(stack scan sim burst eventually eventually_ok free_instances hour_lasts
	invariants_ok);

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $one = stack(env => { POOL_TARGET => 30, POOL_LOW => 15, HEALTH_INTERVAL => 2 });
my $two = $one->another_host;
$_->wait_ready for $one, $two;
my $next_phone = 5511600000000;

subtest 'clicks on both give each user one instance' => \&clicks;
subtest 'one user on both'                           => \&one_user;
subtest 'a quota is one quota'                       => \&quota;
subtest 'a key is one key'                           => \&key;
subtest 'round_robin goes round both'                => \&round_robin;
subtest 'claims and releases at random'              => \&random_life;
subtest 'one helper dies, the other fills the pool'  => \&helper_dies;
invariants_ok($one, 'in the end');
$one->stop;
done_testing;

# Sends each host its requests, all at once: two lists of answers.
sub both {
	my ($for_one, $for_two) = @_;
	pipe my $in, my $out or die $!;
	my $pid = fork // die $!;
	if (!$pid) {
		my @answers = burst($two, @$for_two);
		print {$out} JSON::PP->new->utf8->encode(\@answers);
		close $out;
		require POSIX;
		POSIX::_exit(0);
	}
	close $out;
	my @first = burst($one, @$for_one);
	local $/ = undef;
	my $second = JSON::PP->new->utf8->decode(scalar <$in>);
	waitpid $pid, 0;
	return (\@first, $second);
}

sub click { my ($user) = @_; return { method => 'POST', path => '/api/whatsapp/connect', token => $one->token($user) } }

sub say_it {
	my ($user, %more) = @_;
	my $key = delete $more{key};
	return { method => 'POST', path => '/api/messages/send', token => $one->token($user),
		json => { to => '5511988887777', text => 'Olá', %more }, headers => { defined $key ? ('Idempotency-Key' => $key) : () } };
}

sub statuses { my %n; $n{ $_->{status} }++ for map { @$_ } @_; return \%n }

# A user with so many connected devices: (user, names of their instances).
sub connected_user {
	my ($n) = @_;
	my $user = $one->unique_user;
	for my $i (1 .. $n) {
		my $answer;
		eventually(sub {
			$answer = ($i % 2 ? $one : $two)->http(POST => '/device/login', token => $one->token($user), json => {});
			$answer->{status} == 200;
		}) or diag $answer->{body};
		scan($one, $answer->{json}{instanceName}, '' . $next_phone++);
	}
	eventually_ok("$n are connected", sub {
		$n == $one->psql_value("SELECT count(*) FROM instances WHERE assigned_to_user_id = '$user' AND status = 'WORKING'");
	});
	return ($user, map { $_->[0] } $one->psql("SELECT name FROM instances WHERE assigned_to_user_id = '$user' ORDER BY name"));
}

sub asked {
	my $n = 0;
	$n += $_->{count} for grep { $_->{route} =~ /sendText/ } @{ sim($one, GET => 'stats')->{requests} };
	return $n;
}

sub clicks {
	eventually_ok('the pool is full', sub { free_instances($one) >= 24 });
	my @users = map { $one->unique_user } 1 .. 24;
	my ($first, $second) = both([map { click($_) } @users[0 .. 11]], [map { click($_) } @users[12 .. 23]]);
	is_deeply statuses($first, $second), { 200 => 24 }, '24 clicks';
	my %names = map { $_->{json}{instanceName} => 1 } @$first, @$second;
	is scalar keys %names, 24, '24 instances';
	return;
}

sub one_user {
	eventually_ok('some are free', sub { free_instances($one) >= 10 });
	my $user = $one->unique_user;
	my ($first, $second) = both([map { click($user) } 1 .. 5], [map { click($user) } 1 .. 5]);
	is_deeply statuses($first, $second), { 200 => 10 }, 'ten clicks';
	my %names = map { $_->{json}{instanceName} => 1 } @$first, @$second;
	is scalar keys %names, 1, 'one instance';
	return;
}

sub quota {
	hour_lasts(60);
	my ($user, $name) = connected_user(1);
	$one->psql("UPDATE instances SET capacidade_hora = 10 WHERE name = '$name'");
	my $before = asked();
	my ($first, $second) = both([map { say_it($user) } 1 .. 15], [map { say_it($user) } 1 .. 15]);
	is_deeply statuses($first, $second), { 200 => 10, 429 => 20 }, 'ten of thirty are sent';
	is asked() - $before, 10, 'the gateway was asked ten times';
	return;
}

sub key {
	my ($user) = connected_user(1);
	my $key = random_hex(8);
	my $before = asked();
	my ($first, $second) = both([map { say_it($user, key => $key) } 1 .. 6], [map { say_it($user, key => $key) } 1 .. 6]);
	my %ids = map { $_->{json}{messageId} => 1 } grep { $_->{status} == 200 } @$first, @$second;
	is scalar keys %ids, 1, 'one message';
	is asked() - $before, 1, 'sent once';
	return;
}

sub round_robin {
	my ($user, @names) = connected_user(3);
	my ($first, $second) = both([map { say_it($user, strategy => 'round_robin') } 1 .. 9],
		[map { say_it($user, strategy => 'round_robin') } 1 .. 9]);
	my %by;
	$by{ $_->{json}{instanceName} // $_->{status} }++ for @$first, @$second;
	is_deeply \%by, { map { $_ => 6 } @names }, 'eighteen by three: six each';
	return;
}

# A user's devices as that host lists them: {device => has an instance}.
sub listed {
	my ($host, $token) = @_;
	return { map { $_->{device_id} => defined $_->{instanceName} ? 1 : 0 } @{ $host->http(GET => '/device/list', token => $token)->{json}{devices} } };
}

# Users who connect, disconnect, add and remove devices on whichever host: what the lists say is what was done.
sub random_life {
	my $seed = $ENV{WAPOOL_SEED} // int rand 1e6;
	srand $seed;
	my %devices = map { $one->unique_user => {} } 1 .. 5;    # user => {device => has an instance}
	my @wrong;
	for my $step (1 .. 80) {
		my ($user) = (sort keys %devices)[rand 5];
		my $host = rand() < 0.5 ? $one : $two;
		my @of = sort keys %{ $devices{$user} };
		my $device = @of ? $of[rand @of] : undef;
		my $dice = rand;
		my $token = $one->token($user);
		if ($dice < 0.4 || !defined $device) {
			my $answer = $host->http(POST => '/device/login', token => $token, json => {
				defined $device && rand() < 0.5 ? (device_id => $device) : () });
			if    ($answer->{status} == 200) { $devices{$user}{ $answer->{json}{device_id} } = 1 }
			elsif ($answer->{status} == 503) { $devices{$user} = listed($host, $token) }    # helpers are slow; it may have made the device
			elsif ($answer->{status} != 409) { push @wrong, "step $step: login $answer->{status}" }
		} elsif ($dice < 0.7) {
			my $answer = $host->http(POST => '/device/logout', token => $token, json => { device_id => $device });
			push @wrong, "step $step: logout $answer->{status}" if $answer->{status} != 200;
			$devices{$user}{$device} = 0;
		} elsif ($dice < 0.85) {
			my $answer = $host->http(POST => '/device/logout', token => $token, json => { device_id => $device, remove => JSON::PP::true() });
			push @wrong, "step $step: remove $answer->{status}" if $answer->{status} != 200;
			delete $devices{$user}{$device};
		} else {
			my $other = $host == $one ? $two : $one;
			my %seen = %{ listed($other, $token) };
			push @wrong, "step $step: the other host's list differs"
				if join(' ', map { "$_=$seen{$_}" } sort keys %seen) ne join(' ', map { "$_=$devices{$user}{$_}" } sort keys %{ $devices{$user} });
		}
	}
	is join("\n", @wrong), '', "as the model has it (WAPOOL_SEED=$seed)";
	return;
}

sub helper_dies {
	$one->group('maintain')->stop;
	pop @{ $one->{started} } if $one->{started}[-1] eq 'maintain';
	my @users = map { $one->unique_user } 1 .. 10;
	both([map { click($_) } @users[0 .. 4]], [map { click($_) } @users[5 .. 9]]);
	eventually_ok('the pool is at its low mark again', sub { free_instances($one) >= 15 }, 60);
	return;
}
