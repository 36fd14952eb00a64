#!/usr/bin/perl
# GET /health/instances: who sees what, what a refresh finds, pages.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Fault qw(fault_stack faults helper helper_end link_user no_faults sim user wait_pool);
use Wapool::Process qw(slurp spew wait_until);

my $s = fault_stack(env => { POOL_TARGET => 5, POOL_LOW => 2, HEALTH_INTERVAL => 3600, REQUEST_DEADLINE_MS => 6000 });
my $helper = helper($s, '--for', 600);
wait_pool($s) or BAIL_OUT('the pool was never filled');
my $admin = $s->admin_token($s->unique_user);
my $user  = user($s);

subtest 'anyone gets the summary, and no more'   => \&anyone;
subtest 'an administrator gets the list'         => \&list;
subtest 'a page at a time'                       => \&pages;
subtest 'refresh looks now'                      => \&refresh;
subtest 'a session that is gone'              => \&gone;
subtest 'a gateway that hangs'                   => \&hangs;
subtest 'networks that nginx vouches for'        => \&trusted;
helper_end($helper) // fail('the helper does not end');
subtest 'no helper: it waits, then says so'      => \&no_helper;
done_testing;

sub ask {
	my ($query, %opt) = @_;
	return $s->http(GET => '/health/instances' . ($query // ''), %opt);
}

sub anyone {
	for my $who (['nobody'], ['a user', token => $user->{token}]) {
		my ($name, %opt) = @$who;
		my $answer = ask('', %opt);
		is $answer->{status}, 200, "$name: 200";
		is_deeply [sort keys %{ $answer->{json} }], [qw(checkedAt online status total)], 'the summary';
		is $answer->{json}{status}, 'degraded', 'nobody is online';
		is $answer->{json}{online}, 0, 'online';
		is $answer->{json}{total}, 5, 'total';
		is ask('?refresh=true', %opt)->{status}, 403, 'may not refresh';
	}
	is ask('', token => 'x.y.z')->{status}, 401, 'a token that is not ours is a mistake';
	is ask('', headers => { 'WAPOOL-TRUSTED' => 1, 'X-Wapool-Trusted' => 1, WAPOOL_TRUSTED => 1, 'X-Forwarded-For' => '127.0.0.1' })->{json}{instances},
		undef, 'no header makes one trusted';
	is ask('?limit=0')->{status}, 422, 'a limit of 0';
	is ask('?limit=201')->{status}, 422, 'or 201';
	is ask('?limit=x')->{status}, 422, 'or none';
	is ask('?refresh=perhaps')->{status}, 422, 'or a refresh that is neither';
	is $s->http(POST => '/health/instances', json => {})->{status}, 405, 'POST is no way to read';
	return;
}

sub list {
	my $name = link_user($s, $user, '5511988887777') or return fail('a phone connects');
	my $body = ask('', token => $admin)->{json};
	is $body->{status}, 'healthy', 'one is online';
	is $body->{online}, 1, 'one';
	my ($mine) = grep { $_->{nome} eq $name } @{ $body->{instances} };
	is_deeply [sort keys %$mine], [qw(checkedAt health nome online reason since status)], 'members';
	ok $mine->{online}, 'online';
	is $mine->{status}, 'connected', 'connected';
	is scalar(grep { $_->{online} } @{ $body->{instances} }), 1, 'and nobody else';
	like $mine->{since}, qr/\A\d{4}-\d\d-\d\dT[\d:.]+Z\z/, 'since';
	unlike ask('', token => $admin)->{body}, qr/5511988887777|Ana|\@/, 'no phone, name or e-mail';
	return;
}

sub pages {
	my $there = sub { return join ' ', map { $_->[0] } $s->psql(q{SELECT name FROM instances WHERE lifecycle <> 'retired' ORDER BY name}) };
	my ($before, @names);
	wait_until(20, sub {    # again if the helper has ordered one meanwhile
		$before = $there->();
		@names = names_paged();
		$before eq $there->() }) or fail('they stay');
	is "@names", $before, 'each once, by name';
	is ask('?cursor=nonsense', token => $admin)->{status}, 422, 'a cursor that is none';
	return;
}

sub names_paged {
	my (@names, $next);
	for (1 .. 10) {
		my $body = ask('?limit=2' . (defined $next ? "&cursor=$next" : ''), token => $admin)->{json};
		cmp_ok scalar @{ $body->{instances} }, '<=', 2, 'two at the most';
		push @names, map { $_->{nome} } @{ $body->{instances} };
		$next = $body->{next} // last;
	}
	return @names;
}

sub checked { return $s->psql_value('SELECT min(checked_at) FROM waha_servers') }

sub refresh {
	my $name = $s->psql_value('SELECT name FROM instances WHERE device_id IS NOT NULL');
	my $before = checked();
	$s->psql(q{UPDATE instances SET status = 'STARTING', status_at = NULL, status_seen_at = now() - interval '1 minute' WHERE device_id IS NOT NULL});
	is ask('', token => $admin)->{json}{online}, 0, 'the database has missed a webhook';
	my $body = ask('?refresh=true', token => $admin)->{json};
	ok $body->{refreshed}, 'refreshed';
	is $body->{online}, 1, 'now it knows';
	isnt checked(), $before, 'the server was looked at';
	cmp_ok $body->{checkedAt}, 'gt', $before =~ tr/ /T/r, 'as checkedAt tells';
	return;
}

# The summary, the list, /admin/instances and wapoolctl: all say the same.
sub gone {
	my $name = $s->psql_value('SELECT name FROM instances WHERE device_id IS NOT NULL');
	my $views = sub {
		my $body = ask('', token => $admin)->{json};
		my ($listed) = grep { $_->{nome} eq $name } @{ $body->{instances} };
		my $one = $s->http(GET => "/admin/instances/$name", token => $admin)->{json};
		my $connected = $s->http(GET => '/admin/instances?status=connected', token => $admin)->{json}{instances};
		my (undef, $ctl) = $s->ctl('show', $name, '--json');
		return join ' ', $body->{online}, map { $_ ? 1 : 0 } $listed->{online}, $one->{online}, scalar @$connected,
			scalar($ctl =~ /"online":\s*true/);
	};
	is $views->(), '1 1 1 1 1', 'it is connected';
	$s->psql("UPDATE instances SET missing_since = now() WHERE name = '$name'");
	is $views->(), '0 0 0 0 0', 'the gateway does not list it: it is not';
	$s->psql("UPDATE instances SET missing_since = NULL WHERE name = '$name'");
	return;
}

sub hangs {
	faults($s, { kind => 'hang' });
	my $answer = ask('?refresh=true', token => $admin, timeout => 20);
	is $answer->{status}, 200, 'it answers all the same';
	is !!$answer->{json}{refreshed}, !!0, 'and says that not every server was looked at';
	no_faults($s);
	return;
}

sub trusted {
	my $file = "$s->{var}/nginx/wapool/wapool-health-trusted.conf";
	my $was = slurp($file);
	unlike $was =~ s/^#.*\n//mgr, qr/\S/, 'none at first';
	spew($file, "127.0.0.1 1;\n", 0644);
	$s->group('nginx')->signal('HUP');
	ok wait_until(10, sub { ref ask()->{json}{instances} eq 'ARRAY' }), 'an address on the list gets the list';
	is ask('?refresh=true')->{status}, 403, 'but may not refresh';
	spew($file, $was, 0644);
	$s->group('nginx')->signal('HUP');
	ok wait_until(10, sub { !ask()->{json}{instances} }), 'and off it does not';
	return;
}

sub no_helper {
	my $answer = ask('?refresh=true', token => $admin, timeout => 20);
	is $answer->{status}, 200, 'it answers';
	is !!$answer->{json}{refreshed}, !!0, 'not refreshed';
	is ref $answer->{json}{instances}, 'ARRAY', 'with what is known';
	return;
}
