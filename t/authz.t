#!/usr/bin/perl
# The authorisation matrix: every route x who asks. What openapi.yaml or nginx know and the table does not, fails.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Process qw(slurp);
use Wapool::Test qw(stack webhook server_id eventually_ok free_instances problem_ok);

my $root = "$FindBin::Bin/..";
my @WHO  = qw(anonymous a b admin gateway);

# Route => the status for each of @WHO. An {id} is a server of user A's, new for each request, or his device; {nome} and {event} are nobody's; a gateway signs as
# the platform's does, and has no token.
my %MATRIX = (
	'POST /api/auth/login'                  => [422, 422, 422, 422, 422],
	'POST /api/whatsapp/connect'            => [401, 200, 200, 200, 401],
	'POST /api/whatsapp/disconnect'         => [401, 200, 200, 200, 401],
	'GET /api/whatsapp/my-connection'       => [401, 200, 200, 200, 401],
	'GET /api/whatsapp/qr'                  => [401, '200|409', '200|409', '200|409', 401],
	'GET /api/whatsapp/events'              => [401, 406, 406, 406, 401],    # a stream it would be: t/live.t
	'POST /webhook'                         => [401, 401, 401, 401, 200],
	'POST /webhook/{server_id}'             => [401, 401, 401, 401, 200],
	'GET /api/waha/servers'                 => [401, 200, 200, 200, 401],
	'POST /api/waha/servers'                => [401, 201, 201, 201, 401],
	'POST /api/waha/servers/test'           => [401, 200, 200, 200, 401],
	'GET /api/waha/servers/{id}'            => [401, 200, 404, 200, 401],
	'PUT /api/waha/servers/{id}'            => [401, 200, 404, 200, 401],
	'PATCH /api/waha/servers/{id}'          => [401, 200, 404, 200, 401],
	'DELETE /api/waha/servers/{id}'         => [401, 204, 404, 204, 401],
	'POST /api/waha/servers/{id}/test'      => [401, 200, 404, 200, 401],
	'POST /api/waha/servers/{id}/activate'  => [401, 200, 404, 200, 401],
	'POST /api/waha/servers/{id}/deactivate' => [401, 200, 404, 200, 401],
	'POST /api/waha/servers/{id}/drain'     => [401, 202, 404, 202, 401],
	'POST /api/v1/whatsapp/setup' => [401, 200, 200, 200, 401],
	'GET /admin/instances' => [401, 403, 403, 200, 401],
	'POST /admin/instances' => [401, 403, 403, 201, 401],
	'GET /admin/instances/{nome}' => [401, 403, 403, 404, 401],
	'DELETE /admin/instances/{nome}' => [401, 403, 403, 404, 401],
	'GET /admin/instances/{nome}/qrcode' => [401, 403, 403, 404, 401],
	'POST /admin/instances/{nome}/restart' => [401, 403, 403, 404, 401],
	'POST /admin/instances/{nome}/logout' => [401, 403, 403, 404, 401],
	'POST /admin/instances/{nome}/release' => [401, 403, 403, 404, 401],
	'GET /admin/instances/{nome}/events' => [401, 403, 403, 404, 401],
	'GET /admin/pool' => [401, 403, 403, 200, 401],
	'GET /admin/pool/history' => [401, 403, 403, 200, 401],
	'GET /admin/pool/history.svg' => [401, 403, 403, 200, 401],
	'GET /admin/servers/{id}/history' => [401, 403, 403, 200, 401],
	'GET /admin/servers/{id}/latency.svg' => [401, 403, 403, 200, 401],
	'GET /admin/deliveries' => [401, 403, 403, 200, 401],
	'POST /admin/deliveries/replay' => [401, 403, 403, 200, 401],
	'POST /admin/deliveries/{event}/replay' => [401, 403, 403, 404, 401],
	'GET /api/webhook' => [401, 200, 200, 200, 401],
	'PUT /api/webhook' => [401, 200, 200, 200, 401],
	'DELETE /api/webhook' => [401, 200, 200, 200, 401],
	'POST /api/webhook/test' => [401, 200, 200, 200, 401],
	'POST /api/webhook/rotate' => [401, 200, 200, 200, 401],
	'GET /api/webhook/deliveries' => [401, 200, 200, 200, 401],
	'POST /api/webhook/deliveries/replay' => [401, 200, 200, 200, 401],
	'POST /api/webhook/deliveries/{event}/replay' => [401, 404, 404, 404, 401],
	'GET /device/{id}/webhook' => [401, 200, 404, 200, 401],
	'PUT /device/{id}/webhook' => [401, 200, 404, 200, 401],
	'DELETE /device/{id}/webhook' => [401, 200, 404, 200, 401],
	'POST /device/{id}/webhook/test' => [401, 200, 404, 200, 401],
	'POST /device/{id}/webhook/rotate' => [401, 200, 404, 200, 401],
	'GET /device/{id}/webhook/deliveries' => [401, 200, 404, 200, 401],
	'POST /device/{id}/webhook/deliveries/replay' => [401, 200, 404, 200, 401],
	'POST /device/{id}/webhook/deliveries/{event}/replay' => [401, 404, 404, 404, 401],
	'GET /health/instances' => [200, 200, 200, 200, 200],
	'POST /device/login'                    => [401, 200, 200, 200, 401],
	'POST /device/logout'                   => [401, 200, 404, 404, 401],    # of A's device
	'GET /device/list'                      => [401, 200, 200, 200, 401],
	'POST /api/messages/send'               => [401, 422, 422, 422, 401],
	'GET /api/messages/{id}'                => [401, 404, 404, 404, 401],
	'GET /openapi.yaml'                     => [200, 200, 200, 200, 200],
	'GET /livez'                            => [200, 200, 200, 200, 200],
	'GET /readyz'                           => [200, 200, 200, 200, 200],
	# by address, not by person: nginx/wapool-metrics-allow.conf
	'GET /metrics'                          => [200, 200, 200, 200, 200],
);

# Bodies that are right, so that only who asks decides.
my $count = 0;
my %BODY = (
	'POST /api/auth/login'         => sub { {} },
	'POST /api/whatsapp/connect'   => sub { {} },
	'POST /api/whatsapp/disconnect' => sub { {} },
	'POST /api/waha/servers'       => \&new_server,
	'POST /api/waha/servers/test'  => sub { { api_url => 'http://name.invalid' } },
	'PUT /api/waha/servers/{id}'   => \&new_server,
	'POST /api/v1/whatsapp/setup'  => sub { {} },
	(map { ($_ => sub { {} }) } 'POST /device/login', 'POST /api/messages/send'),
	'POST /device/logout'          => sub { { device_id => device() } },
	'POST /admin/instances'        => sub { { nome => 'admin-' . ++$count } },
	(map { ("PUT $_" => sub { { url => 'https://hooks' . ++$count . '.example/in' } }) } '/api/webhook', '/device/{id}/webhook'),
	'PATCH /api/waha/servers/{id}' => sub { { prioridade => 3 } },
);

# One that nobody is served from.
sub new_server { return { nome => 'Um', api_url => 'https://waha' . ++$count . '.invalid', max_sessions => 0 } }

subtest 'no route is missing' => \&routes;

my $s = stack(env => { SERVER_LIMIT => 1000 });
$s->wait_ready;
eventually_ok('instances stand by', sub { free_instances($s) >= 5 });
my %id = map { $_ => $s->unique_user } qw(a b admin);
my %token = (a => $s->token($id{a}), b => $s->token($id{b}), admin => $s->admin_token($id{admin}));

for my $route (sort keys %MATRIX) {
	subtest $route => sub { row($route) };
}
subtest 'tokens that are not one'     => \&bad_tokens;
subtest 'a disabled account'          => \&disabled;
subtest 'a list holds his own'        => \&lists;
subtest 'nobody writes what is ours'  => \&mass_assignment;
subtest 'nobody gives what is not his' => \&ownership;
$s->stop;
done_testing;

# --- Routes ---

sub documented {
	my ($path, @found);
	my ($paths) = slurp("$root/docs/openapi.yaml") =~ /^paths:\n(.*?)^components:/ms;
	for (split /\n/, $paths) {
		$path = $1 if m{\A  (/\S*):\z};
		push @found, uc($1) . " $path" if /\A    (get|post|put|patch|delete):\z/;
	}
	return @found;
}

sub routes {
	is_deeply [sort keys %MATRIX], [sort(documented())], 'those of docs/openapi.yaml';
	is_deeply [grep { @{ $MATRIX{$_} } != @WHO } sort keys %MATRIX], [], 'each for everybody';
	my %paths = map { (split ' ')[1] => 1 } keys %MATRIX;
	my @examples = map { s/\{[^}]+\}/0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01/r } keys %paths;
	my $server = slurp("$root/nginx/wapool-server.conf") =~ s/^\s*#.*$//mgr;
	while ($server =~ /^location (=|~|\^~)? ?"?([^"\s]+)"? \{(.*?)^\}/msg) {
		my ($how, $what, $body) = ($1 // '', $2, $3);
		next if $body =~ /^\s*internal;|X-Accel/m || $body =~ /return 404;/;
		my $known = $how eq '=' ? $paths{$what} : scalar grep { $how eq '~' ? /$what/ : /\A\Q$what\E/ } @examples;
		ok $known, "nginx: location $how $what";
	}
	return;
}

# --- Requests ---

# A server of user A's, anew.
sub object {
	my $answer = $s->http(POST => '/api/waha/servers', token => $token{a}, json => new_server());
	return $answer->{json}{id} // die "no server: $answer->{body}";
}

# A's device.
sub device {
	return $s->http(GET => '/api/whatsapp/my-connection', token => $token{a})->{json}{deviceId}
		// $s->http(POST => '/api/whatsapp/connect', token => $token{a}, json => {})->{json}{deviceId} // die 'no device';
}

# A's device and everybody have a webhook.
sub subscriptions {
	ask('a', 'PUT /device/{id}/webhook', device());
	ask($_, 'PUT /api/webhook', '') for qw(a b admin);
	return;
}

sub ask {
	my ($who, $route, $id) = @_;
	my ($method, $path) = split ' ', $route;
	$path =~ s/\{id\}/$id/;
	$path =~ s/\{nome\}/nobody/;
	$path =~ s/\{event\}/evt_nothing/;
	$path =~ s/\{server_id\}/server_id($s)/e;
	if ($path =~ m{\A/webhook\b} || $who eq 'gateway') {
		my $event = { event => 'session.status', id => 'evt_' . ++$count, session => 'nobody', payload => {} };
		my $rq = webhook($s, $event, path => $path, $who eq 'gateway' ? () : (signature => undef));
		return $s->http($method, $path, headers => $rq->{headers}, body => $rq->{body}, token => $token{$who});
	}
	my $body = $BODY{$route};
	return $s->http($method, $path, token => $token{$who}, $body ? (json => $body->()) : ());
}

sub row {
	my ($route) = @_;
	for my $i (0 .. $#WHO) {
		my $id = $route =~ /\{id\}/ ? $route =~ m{/device/} ? device() : object() : '';
		subscriptions() if $route =~ m{ /(api|device/\{id\})/webhook};
		my $answer = ask($WHO[$i], $route, $id);
		like $answer->{status}, qr/^(?:$MATRIX{$route}[$i])$/, $WHO[$i] or diag $answer->{body};
		unlike $answer->{body}, qr/\Q$id{a}\E/, "and nothing of A's"
			if $route =~ /\{id\}/ && $WHO[$i] ne 'a' && $WHO[$i] ne 'admin';
	}
	return;
}

# Every protected route refuses them alike.
sub bad_tokens {
	my %bad = (expired => $s->token($id{a}, exp => time - 3600), 'of nobody' => $s->token('nobody'),
		'with another key' => $token{a} =~ s/.\z/$& eq 'A' ? 'B' : 'A'/er, 'without a signature' => $token{a} =~ s/[^.]*\z//r,
		'a service key' => $s->token($id{a}, role => 'service_role', sub => undef), garbage => 'x');
	my @protected = grep { $MATRIX{$_}[0] eq 401 && $MATRIX{$_}[1] ne 401 } sort keys %MATRIX;
	cmp_ok scalar @protected, '>', 10, 'protected routes';
	my $id = object();
	for my $what (sort keys %bad) {
		local $token{bad} = $bad{$what};
		my @open = grep { ask('bad', $_, $id)->{status} != 401 } @protected;
		is_deeply \@open, [], "a token $what";
	}
	return;
}

# A token that is good, of an account that is not: refused on every route, an administrator's too.
sub disabled {
	my @protected = grep { $MATRIX{$_}[0] eq 401 && $MATRIX{$_}[1] ne 401 } sort keys %MATRIX;
	my $id = object();
	my @ids = map { $s->unique_user } 1, 2;
	local @token{qw(was is)} = ($s->token($ids[0]), $s->admin_token($ids[1]));
	$s->psql("INSERT INTO users (id) VALUES ('$_')") for @ids;
	local $BODY{'POST /api/messages/send'} = sub { { to => '5511988887777', text => 'x' } };
	is ask('was', 'GET /api/whatsapp/my-connection', '')->{status}, 200, 'before';
	is +($s->ctl(qw(user disable), $_))[0], 0, 'user disable' for @ids;
	is_deeply [grep { ask('was', $_, $id)->{status} != 401 } @protected], [], 'a user: nothing is open';
	is_deeply [grep { ask('is', $_, $id)->{status} != 401 } @protected], [], 'an administrator: nothing is';
	$s->ctl(qw(user enable), $ids[0]);
	is ask('was', 'GET /api/whatsapp/my-connection', '')->{status}, 200, 'enabled again, all is as before';
	return;
}

sub lists {
	object();
	my @all = map { @{ $s->http(GET => "/api/waha/servers?limit=100&$_", token => $token{b})->{json}{servers} } }
		'', "user_id=$id{a}", 'user_id=platform', 'q=waha';
	is_deeply [grep { ($_->{user_id} // '') ne $id{b} } @all], [], 'B sees nothing of A\'s or the platform\'s, whatever he asks for';
	my $admin = $s->http(GET => "/api/waha/servers?limit=100&user_id=$id{a}", token => $token{admin});
	cmp_ok scalar @{ $admin->{json}{servers} }, '>', 0, 'an administrator sees A\'s';
	my $cursor = $s->http(GET => '/api/waha/servers?limit=1', token => $token{admin})->{json}{next};
	my $page = $s->http(GET => "/api/waha/servers?limit=100&cursor=$cursor", token => $token{b});
	is_deeply [grep { ($_->{user_id} // '') ne $id{b} } @{ $page->{json}{servers} }], [], 'nor with another\'s cursor';
	return;
}

# Mass assignment: each member is named in the answer, and nothing has changed.
sub mass_assignment {
	my %forbidden = (id => $s->unique_user, user_id => $id{b}, health => 'up', health_reason => 'x', sessions_ativas => 0,
		version => '1', checked_at => undef, created_at => '2020-01-01T00:00:00Z', updated_at => '2020-01-01T00:00:00Z',
		draining => \1, removing => \1, webhook_secret_set => \1, revision => 9, failures => 0, check_next_at => 'x',
		api_key_sealed => 'x', webhook_secret_sealed => 'x', check_lease_until => 'x', started_at => 'x');
	my $id = object();
	my $row = "SELECT row(id, user_id, nome, api_url, api_key_sealed, webhook_secret_sealed, sessions_ativas, version, draining_at,"
		. " removing_at, revision, created_at, updated_at, started_at)::text FROM waha_servers s WHERE id = '$id'";
	my $before = $s->psql_value($row);
	for my $name (sort keys %forbidden) {
		for ([POST => '/api/waha/servers', new_server()], [PUT => "/api/waha/servers/$id", new_server()],
			[PATCH => "/api/waha/servers/$id", {}]) {
			my ($method, $path, $body) = @$_;
			my $answer = $s->http($method, $path, token => $token{a}, json => { %$body, $name => $forbidden{$name} });
			is_deeply [$answer->{status}, map { $_->{pointer} } @{ $answer->{json}{errors} }], [422, "/$name"], "$method $name";
		}
	}
	for my $name (qw(id user_id health sessions_ativas)) {
		my $answer = $s->http(PATCH => "/api/waha/servers/$id", token => $token{admin}, json => { $name => $forbidden{$name} });
		is $answer->{status}, 422, "PATCH $name, by an administrator";
	}
	is $s->psql_value($row), $before, 'the row is as it was';
	return;
}

sub ownership {
	my $mine = $s->http(POST => '/api/waha/servers', token => $token{admin}, json => { %{ new_server() }, user_id => $id{b} });
	is $mine->{json}{user_id}, $id{b}, 'an administrator adds one for B';
	is $s->http(GET => "/api/waha/servers/$mine->{json}{id}", token => $token{b})->{status}, 200, 'who sees it';
	is $s->http(GET => "/api/waha/servers/$mine->{json}{id}", token => $token{a})->{status}, 404, 'A does not';
	my $platform = $s->http(POST => '/api/waha/servers', token => $token{admin}, json => new_server());
	is $platform->{json}{user_id}, undef, 'who names nobody adds one of the platform\'s';
	is $s->http(GET => "/api/waha/servers/$platform->{json}{id}", token => $token{a})->{status}, 404, 'which is no user\'s';
	problem_ok($s->http(POST => '/api/waha/servers', token => $token{admin}, json => { %{ new_server() }, user_id => $s->unique_user }),
		422, 'invalid-field', 'an owner who does not exist');
	return;
}
