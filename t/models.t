#!/usr/bin/perl
# Long random lives against simple models, straight in SQL, where a thousand steps cost seconds and the clock
# is ours: the quota of an instance, and who has which instance. A failure names its seed: WAPOOL_SEED=n
# WAPOOL_STEPS=n repeat and lengthen a run.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use IPC::Open2 qw(open2);
use POSIX qw(tzset);
use Test::More;

use Wapool::Fault qw(seeded);
use Wapool::Stack;

use constant STEPS => $ENV{WAPOOL_STEPS} // 400;

my $s = Wapool::Stack->new;
$s->start_postgres;
$s->deploy;
my $psql = client();
seeded();

# Each with a change of clocks in the days that are lived, but for the first.
my @ZONES = (
	['America/Sao_Paulo',   '2026-07-01 12:00Z'],
	['America/New_York',    '2026-03-08 02:00Z'],    # spring: 02:00 is 03:00
	['America/New_York',    '2026-11-01 02:00Z'],    # autumn: 01:00 to 02:00 comes twice
	['Europe/Lisbon',       '2026-10-24 20:00Z'],
	['Australia/Lord_Howe', '2026-04-04 10:00Z'],    # by half an hour
	['Asia/Kolkata',        '2026-07-01 12:00Z'],    # hours begin at :30 of UTC
);
for my $zone (@ZONES) {
	subtest "a quota in $zone->[0] from $zone->[1]" => sub { quota(@$zone) };
}
subtest 'who has what' => \&devices;
done_testing;

# --- A session of psql that stays ---

sub client {
	my $pg = $s->postgres;
	local %ENV = (%ENV, %{ $pg->login_env('wapool', 'wapool') });    ## no critic
	my $pid = open2(my $out, my $in, "$pg->{bin}/psql", qw(-X -q -A -t -v ON_ERROR_STOP=1 -F), "\x1f");
	$in->autoflush(1);
	return { pid => $pid, in => $in, out => $out };
}

# The rows of a statement as references to lists.
sub rows {
	my ($sql) = @_;
	print { $psql->{in} } "$sql;\nSELECT 'that was all';\n";
	my @rows;
	while (my $line = readline $psql->{out}) {
		chomp $line;
		return @rows if $line eq 'that was all';
		push @rows, [$line eq '' ? '' : split /\x1f/, $line, -1];
	}
	die "SQL: $sql\n";
}

sub value { my ($row) = rows(@_); return $row ? $row->[0] : undef }

# --- The quota ---

# Our clock: found before PostgreSQL's own.
sub fake_clock {
	my ($zone) = @_;
	rows(q{SET client_min_messages = warning; DROP SCHEMA IF EXISTS fake CASCADE; CREATE SCHEMA fake; CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz
		LANGUAGE sql STABLE AS $$ SELECT to_timestamp(current_setting('fake.now')::bigint) $$});
	rows("SET search_path = fake, public, pg_catalog; UPDATE installation SET tz = '$zone'");
	return;
}

sub clock_is { return rows("SET fake.now = $_[0]") }

# The windows of a moment, by the C library: seconds at which the hour began, and the date.
sub windows {
	my ($now) = @_;
	my (undef, $minutes, undef, $day, $month, $year) = localtime $now;
	return ($now - 60 * $minutes - $now % 60, sprintf '%04d-%02d-%02d', $year + 1900, $month + 1, $day);
}

# A connected instance of a user of its own.
sub connected {
	my $user = $s->unique_user;
	rows("INSERT INTO users (id) VALUES ('$user'); INSERT INTO waha_servers (nome, api_url, health) VALUES ('$user', 'http://$user', 'up')");
	my $id = value("INSERT INTO instances (name, server_id) SELECT '$user', id FROM waha_servers WHERE nome = '$user' RETURNING id");
	rows("UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE id = '$id';"
		. "UPDATE instances SET lifecycle = 'assigned', assigned_to_user_id = '$user', device_id = device_of('$user', NULL) WHERE id = '$id';"
		. "UPDATE instances SET status = 'WORKING', paired_at = now(), capacidade_hora = 5, capacidade_dia = 14 WHERE id = '$id'");
	return ($user, $id);
}

# The model: a window is the newest that was ever counted in, and begins with none.
sub quota {
	my ($zone, $from) = @_;
	local $ENV{TZ} = $zone;    ## no critic
	tzset();
	my ($user, $id) = connected();
	fake_clock($zone);
	my $now = value("SELECT extract(epoch FROM timestamptz '$from')::bigint");
	my %m = (hour => 0, day => '', h => 0, d => 0, way => []);    # way: [message, hour, day] that are being sent
	my (%did, @wrong);
	clock_is($now);
	my $roll = sub {
		my ($hour, $day) = windows($now);
		@m{qw(hour h)} = ($hour, 0) if $hour > $m{hour};
		@m{qw(day d)}  = ($day, 0)  if $day gt $m{day};
		return;
	};
	my $forget = sub {
		my ($what) = splice @{ $m{way} }, int rand @{ $m{way} }, 1;
		return $what;
	};
	my @steps = (
		(send => sub {
			my ($hour, $day) = windows($now);
			my $want = ($hour > $m{hour} ? 0 : $m{h}) < 5 && ($day gt $m{day} ? 0 : $m{d}) < 14 ? 'ok' : 'unavailable';
			my ($got) = rows("SELECT outcome, message_id FROM message_begin('$user', NULL, false, NULL, NULL, NULL, NULL, '3 minutes')");
			push @wrong, "$got->[0], not $want" if $got->[0] ne $want;
			return if $got->[0] ne 'ok';
			$roll->();
			$m{$_}++ for qw(h d);
			push @{ $m{way} }, [$got->[1], @m{qw(hour day)}];
		}) x 6,
		sent => sub {
			my $message = @{ $m{way} } ? $forget->() : return;
			rows("SELECT message_end('$message->[0]', '" . (rand() < 0.5 ? 'sent' : 'unknown') . "', NULL, NULL)");
		},
		(failed => sub {
			my $message = @{ $m{way} } ? $forget->() : return;
			rows("SELECT message_end('$message->[0]', 'failed', NULL, 'refused')");
			$m{h}-- if $message->[1] == $m{hour};
			$m{d}-- if $message->[2] eq $m{day};
		}) x 2,
		crash => sub {    # all who are sending die; their leases end
			$now += 200;
			clock_is($now);
			rows('SELECT messages_expire()');
			$m{way} = [];
		},
		(later => sub { $now += int rand 3600; clock_is($now) }) x 3,
		tomorrow => sub { $now += int rand 86_400; clock_is($now) },
		back => sub { $now -= int rand 7200; clock_is($now) },    # somebody sets the clock
		reset => sub {
			my ($hour, $day) = windows($now);
			rows('SELECT quotas_reset_hour(), quotas_reset_day()');
			@m{qw(hour h)} = ($hour, 0) if $hour > $m{hour} && $m{h};
			@m{qw(day d)}  = ($day, 0)  if $day gt $m{day} && $m{d};
		},
	);
	for my $step (1 .. STEPS / 2) {
		my $which = int rand @steps / 2;
		my ($what, $do) = @steps[2 * $which, 2 * $which + 1];
		$did{$what}++;
		my $before = @wrong;
		$do->();
		my ($hour, $day) = windows($now);
		my $want = join '/', $hour > $m{hour} ? 0 : $m{h}, $day gt $m{day} ? 0 : $m{d};
		my $got = value("SELECT used_hour(i, quota_hour(clock_timestamp())) || '/' || used_day(i, quota_day(clock_timestamp()))
			FROM instances i WHERE id = '$id'");
		push @wrong, "used $got, not $want" if $got ne $want;
		splice @wrong, $before, @wrong - $before, "step $step, $what at " . gmtime($now) . ": $wrong[-1]" if @wrong > $before;
		last if @wrong;
	}
	is join("\n", @wrong), '', 'as the model has it: ' . join ', ', map { "$did{$_} $_" } sort keys %did;
	rows('RESET search_path');
	return;
}

# --- Who has what ---

# Three users claim, release, swap, add and remove devices, phones log out, helpers empty what was given back,
# a gateway restarts: the database against a table of who has what, kept here.
sub devices {
	my @users = map { $s->unique_user } 1 .. 3;
	rows(q{INSERT INTO waha_servers (nome, api_url, health, max_sessions) VALUES ('a', 'http://a', 'up', 6), ('b', 'http://b', 'up', 6)});
	rows(q{INSERT INTO instances (name, server_id) SELECT 'pool-' || nome || n, id FROM waha_servers, generate_series(1, 6) n WHERE nome IN ('a', 'b')});
	rows(q{UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid() WHERE name LIKE 'pool-%'});
	my %free  = map { $_->[0] => 1 } rows(q{SELECT id FROM instances WHERE name LIKE 'pool-%'});
	my (%has, %of, %dirty, %did, @wrong);    # device => [instance, epoch]; device => user; instance => to be emptied
	my $someone = sub { $users[rand @users] };
	my $device = sub { my @d = sort keys %of; return @d ? $d[rand @d] : undef };
	my $gone = sub { my ($d) = @_; my $i = delete $has{$d} or return; $dirty{ $i->[0] } = 1; return };
	my $given = sub {
		my ($d, $i, $epoch) = @_;
		push @wrong, "$i was not free" unless delete $free{$i};
		$has{$d} = [$i, $epoch];
		return;
	};
	my $claim = sub {
		my ($user, $d) = @_;
		my ($got) = rows("SELECT outcome, instance_id, epoch, device_id FROM pool_claim('$user', NULL, " . ($d ? "'$d'" : 'NULL') . ', 0)');
		my ($outcome, $i, $epoch, $on) = @$got;
		if ($outcome eq 'no-device') { push @wrong, 'no device' if $d && ($of{$d} // '') eq $user; return }
		$of{$on} //= $user;
		push @wrong, "the device is another's" if $of{$on} ne $user || $d && $on ne $d;
		if    ($outcome eq 'own')     { push @wrong, 'not his own' unless $has{$on} && "@{ $has{$on} }" eq "$i $epoch" }
		elsif ($outcome eq 'claimed') { push @wrong, 'he had one' if $has{$on}; $given->($on, $i, $epoch) }
		elsif (%free || $has{$on})    { push @wrong, "$outcome, with " . keys(%free) . ' free' }
		return;
	};
	my %step = (
		claim   => sub { $claim->($someone->(), rand() < 0.3 ? undef : $device->()) },
		release => sub {
			my $d = $device->() // return;
			my $who = rand() < 0.8 ? $of{$d} : $someone->();
			my $got = value("SELECT pool_release('$who', '$d', 'disconnected by its user')");
			my $want = $who ne $of{$d} ? 'no-device' : $has{$d} ? 'released' : 'none';
			push @wrong, "$got, not $want" if $got ne $want;
			$gone->($d) if $got eq 'released';
		},
		swap => sub {
			my $d = $device->() // return;
			my $had = $has{$d} // return;
			my $epoch = rand() < 0.7 ? $had->[1] : $had->[1] - 1;
			my ($got) = rows("SELECT outcome, instance_id, epoch FROM pool_swap('$had->[0]', $epoch, 'broken', 0)");
			if    ($epoch != $had->[1])        { push @wrong, 'a former assignment swaps' if $got->[0] ne 'no-device' }
			elsif ($got->[0] eq 'own')         { push @wrong, 'not swapped' if value("SELECT paired_at IS NULL FROM instances WHERE id = '$had->[0]'") eq 't' }
			elsif ($got->[0] eq 'claimed')     { $gone->($d); $given->($d, @$got[1, 2]) }
			else                               { push @wrong, 'some were free' if %free; $gone->($d) }
		},
		add => sub {
			my $user = $someone->();
			my $d = value("SELECT device_add('$user', NULL, NULL, 4)");
			my $n = grep { $_ eq $user } values %of;
			push @wrong, "added to $n" if ($d ne '') != ($n < 4);
			$of{$d} = $user if $d ne '';
		},
		remove => sub {
			my $d = $device->() // return;
			push @wrong, 'not removed' if value("SELECT device_remove('$of{$d}', '$d')") ne 't';
			$gone->($d);
			delete $of{$d};
		},
		scan => sub {    # only who is paired stays when a gateway says so
			my $d = $device->() // return;
			rows("UPDATE instances SET status = 'WORKING', paired_at = now(), phone_number = '55' WHERE id = '$has{$d}[0]'") if $has{$d};
		},
		logout => sub {    # on the phone
			my $d = $device->() // return;
			my $had = $has{$d} // return;
			my $epoch = rand() < 0.7 ? $had->[1] : $had->[1] - 1;
			my $got = value("SELECT pool_release_epoch('$had->[0]', $epoch, 'logged out on the phone')");
			push @wrong, "$got at epoch $epoch of $had->[1]" if ($got eq 't') != ($epoch == $had->[1]);
			$gone->($d) if $got eq 't';
		},
		restart => sub {    # a gateway comes back with all its sessions stopped
			my $server = value(q{SELECT id FROM waha_servers WHERE nome IN ('a', 'b') ORDER BY random() LIMIT 1});
			rows("SELECT server_reconcile('$server', '1', clock_timestamp(), '1 minute', '0', '0', '1 minute',
				(SELECT json_agg(json_build_object('n', name, 'w', 'STOPPED')) FROM instances WHERE server_id = '$server'))");
		},
		empty => sub {    # a helper makes what was given back anew
			my ($work) = rows("SELECT id, work_token FROM work_claim('1 minute')");
			return unless $work && $work->[0] ne '';
			push @wrong, 'it was not given back' unless $dirty{ $work->[0] };
			rows("SELECT work_done('$work->[0]', '$work->[1]')");
			$free{ $work->[0] } = 1 if delete $dirty{ $work->[0] };
		},
	);
	my @names = ((sort keys %step), qw(claim claim empty empty));
	for my $n (1 .. STEPS) {
		my $what = $names[rand @names];
		$did{$what}++;
		$step{$what}->();
		my %want = map { ("@{ $has{$_} } $_ $of{$_}" => 1) } keys %has;
		my %got  = map { ("@$_" => 1) } rows(q{SELECT id, epoch, device_id, assigned_to_user_id FROM instances WHERE lifecycle = 'assigned' AND name LIKE 'pool-%'});
		push @wrong, 'others have what' if join(',', sort keys %want) ne join(',', sort keys %got);
		my $standby = join ',', sort map { $_->[0] } rows(q{SELECT id FROM instances WHERE lifecycle = 'standby' AND name LIKE 'pool-%'});
		push @wrong, 'others stand by' if $standby ne join ',', sort keys %free;
		@wrong = map { "step $n, $what: $_" } @wrong and last;
	}
	is join("\n", @wrong), '', 'as the model has it: ' . join ', ', map { "$did{$_} $_" } sort keys %did;
	is value(q{SELECT count(*) FROM (SELECT FROM instances WHERE lifecycle = 'standby' AND phone_number IS NOT NULL) t}), 0, 'nothing that stands by has a phone';
	return;
}
