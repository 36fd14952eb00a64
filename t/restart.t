#!/usr/bin/perl
# Restarts that nobody notices: every responder is replaced under load without a failed request, one that
# stops answers what it has taken, and as plain CGI the same binaries say the same.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(sleep time);

use FastCGI;
use Wapool::Fault qw(connect_user crowd crowd_end fault_stack faults helper helper_end no_faults scan sim user
	wait_pool);
use Wapool::Process qw(alive as_user run_program wait_until);

use constant { SECONDS => 12, CLIENTS => 6, PASSWORD => 'a long enough password' };

my $s = fault_stack(env => { POOL_TARGET => 60, POOL_LOW => 40, POOL_STEP => 20, WAHA_MAX_SESSIONS => 200 });
my $helper = helper($s, '--for', 600);
wait_pool($s) or BAIL_OUT('the pool was never filled');
$s->ctl(\(PASSWORD . "\n"), qw(user add ana@example.com --password-stdin));

subtest 'no request fails while responders are replaced' => \&replaced;
subtest 'what is in progress is answered'                => \&in_progress;
subtest 'the helper is replaced like cron replaces it'   => \&helpers_overlap;
subtest 'plain CGI says the same as FastCGI'             => \&cgi;
helper_end($helper) // fail('the helper does not end');
done_testing;

# --- Under load ---

# What a client does again and again; each answer must be 200.
sub visit {
	my ($user, $say) = @_;
	my $answer = connect_user($s, $user);
	$say->(what => 'connect', status => $answer->{status}, body => substr $answer->{body}, 0, 300);
	for (1 .. 5) {
		$answer = $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token});
		$say->(what => 'my-connection', status => $answer->{status});
		$answer = $s->http(GET => '/api/whatsapp/qr', token => $user->{token});
		$say->(what => 'qr', status => $answer->{status});
	}
	$say->(what => 'livez',      status => $s->http(GET => '/livez')->{status});
	$say->(what => 'readyz',     status => $s->http(GET => '/readyz')->{status});
	$answer = $s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {});
	$say->(what => 'disconnect', status => $answer->{status});
	sleep 0.1;
	return;
}

sub replaced {
	my @users = map { user($s) } 1 .. CLIENTS;
	my $crowd = crowd(CLIENTS, SECONDS, sub { visit($users[$_[0] - 1], $_[1]) });
	my $end = time + SECONDS - 3;
	my %seen;
	my $rounds = 0;
	while (time < $end || keys %seen < 4) {    # two rounds at the least, however slow the machine
		$seen{ $_ . ' ' . $s->pids($_) } = 1 for qw(connect my-connection);
		if ($rounds++ % 2) { $s->restart_responder($_) for grep { $_ ne 'auth-login' } $s->responder_names }
		else               { $s->reload_responders }
	}
	my @seen = crowd_end($crowd);
	cmp_ok scalar keys %seen, '>=', 4, "$rounds rounds of replacing";
	my %count;
	$count{"$_->{what} $_->{status}"}++ for grep { $_->{what} } @seen;
	note map { "$_: $count{$_}\n" } sort keys %count;
	my @failed = grep { ($_->{status} // 0) != 200 } @seen;
	is_deeply \@failed, [], scalar(@seen) . ' requests, none failed' or diag explain @failed[0 .. ($#failed < 4 ? $#failed : 4)];
	cmp_ok $count{'connect 200'} // 0, '>=', 2 * CLIENTS, 'connects among them';
	return;
}

# --- In progress ---

# A responder that is told to stop while its gateway is slow: that request is answered, and it takes no other.
sub in_progress {
	my $user = user($s);
	faults($s, { kind => 'latency', ms => 30000, path => '/api/sessions/' });
	my $asking = crowd(1, 0.1, sub {
		my $answer = connect_user($s, $user);
		$_[1]->(status => $answer->{status});
	});
	ok wait_until(10, sub { $s->psql_value(
		"SELECT 1 FROM instances WHERE assigned_to_user_id = '$user->{id}'") }), 'a connect is in progress';
	my $old = $s->pids('connect');
	kill 'TERM', $old;
	ok alive($old), 'the responder is told to stop, and waits for it';
	no_faults($s);
	my ($seen) = crowd_end($asking);
	is $seen->{status}, 200, 'the request is answered';
	ok wait_until(10, sub { !alive($old) }), 'then it ends';
	is connect_user($s, user($s))->{status}, 200, 'and another has its place';
	return;
}

# --- The helper ---

# A new one every minute, while the old one still finishes: users and pool see nothing of it.
sub helpers_overlap {
	my @users = map { user($s) } 1 .. 2;
	my $crowd = crowd(2, 4, sub {
		$_[1]->(status => connect_user($s, $users[$_[0] - 1])->{status});
		$_[1]->(status => $s->http(POST => '/api/whatsapp/disconnect', token => $users[$_[0] - 1]{token}, json => {})->{status});
		sleep 0.05;
	});
	for (1 .. 4) {
		my $next = helper($s, '--for', 600);
		sleep 0.3;
		is helper_end($helper), 0, 'the old helper ends in good order';
		$helper = $next;
		sleep 0.5;
	}
	my @failed = grep { ($_->{status} // 0) != 200 } crowd_end($crowd);
	is_deeply \@failed, [], 'no request failed';
	ok wait_pool($s), 'the pool is full';
	return;
}

# --- CGI ---

# The CGI variables of a request as nginx would give them, for both ways.
sub cgi_case {
	my ($program, $method, $path, %opt) = @_;
	my %env = (%{ FastCGI::params($method, $path, id => 'restart-t', body => $opt{body}) }, SERVER_PROTOCOL => 'HTTP/1.1',
		SCRIPT_NAME => $path, %{ $opt{env} || {} });
	delete $env{CONTENT_LENGTH} unless defined $opt{body};
	my ($status, $out) = run_program(["./$program"], dir => "$s->{build}/handlers", as => 'www-data',
		env => { %{ $s->environment }, %env }, stdin => $opt{body}, err => \my $complaints);
	my $fast = FastCGI->connect("$s->{socket_dir}/$program.sock");
	$fast->send(FastCGI::head(\%env) . FastCGI::body($opt{body}));
	my $answer = $fast->response;
	my $name = "$program: $method " . ($opt{name} // 'as asked');
	is $status, 0, "$name: ends well" or diag $complaints;
	is comparable($out), comparable($answer->{out}), 'CGI and FastCGI say the same';
	like $out, $opt{like}, 'what is expected' if $opt{like};
	return;
}

# Without what differs from one moment to the next.
sub comparable {
	my ($out) = @_;
	$out =~ s/"time":"[^"]*"/"time":""/g;
	$out =~ s/^Date:.*?\r\n//mi;
	$out =~ s/"token":"[^"]*"/"token":""/g;
	$out =~ s/^Content-Length: \d+\r\n//mi;
	return $out;
}

sub cgi {
	my $user = user($s);
	my %bearer = (HTTP_AUTHORIZATION => "Bearer $user->{token}");
	my %json = (CONTENT_TYPE => 'application/json');
	cgi_case('livez', GET => '/livez', like => qr/\AStatus: 200 /);
	cgi_case('livez', HEAD => '/livez', like => qr/\AStatus: 200 .*\r\n\r\n\z/s);
	cgi_case('livez', DELETE => '/livez', like => qr/\AStatus: 405 /);
	cgi_case('my-connection', GET => '/api/whatsapp/my-connection', name => 'no token', like => qr/\AStatus: 401 /);
	cgi_case('my-connection', GET => '/api/whatsapp/my-connection', env => \%bearer, like => qr/\AStatus: 200 .*"connected":false/s);
	my $name = connect_user($s, $user)->{json}{instanceName};
	scan($s, $name, 5511944400001);
	wait_until(20, sub { $s->http(GET => '/api/whatsapp/my-connection', token => $user->{token})->{json}{connected} });
	cgi_case('my-connection', GET => '/api/whatsapp/my-connection', env => \%bearer, name => 'connected',
		like => qr/"connected":true.*"$name"/s);
	my $login = sub { '{"email":"ana@example.com","password":"' . $_[0] . '"}' };
	cgi_case('auth-login', POST => '/api/auth/login', env => \%json, body => $login->(PASSWORD), like => qr/\AStatus: 200 .*"token":"eyJ/s);
	cgi_case('auth-login', POST => '/api/auth/login', env => \%json, body => $login->('wrong one'), name => 'wrong password',
		like => qr/\AStatus: 401 /);
	cgi_case('auth-login', POST => '/api/auth/login', env => \%json, body => '{', name => 'no JSON', like => qr/\AStatus: 400 /);
	cgi_case('auth-login', POST => '/api/auth/login', env => \%json, body => 'x' x 5000, name => 'too long', like => qr/\AStatus: 413 /);
	cgi_case('connect', POST => '/api/whatsapp/connect', env => { %bearer, %json }, body => '{}', name => 'connected',
		like => qr/"connected":true/);
	return;
}
