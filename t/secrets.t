#!/usr/bin/perl
# Secrets stay where they belong: passwords, tokens, keys, phones, names, texts and QR codes go in by every
# door, through every fault, and must come out in no log, no error and no column that should be sealed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep);

use Wapool::Fault qw(connect_user fault_stack faults helper helper_end no_faults sim sim_session sim_sessions
	time_passes user wait_pool webhook_body webhook_post);
use Wapool::Process qw(random_hex run_program slurp wait_until);

# Each is told apart from everything else in the world, and survives JSON, URLs and logs as it is.
my %canary = map { $_ => "canary${_}x" . random_hex(6) } qw(password wrongpassword secret badsecret apikey code text pushname
	query cookie referer agent idempotency claim);
my %phone = (scanned => '5511' . digits(9), pairing => '5521' . digits(9), sender => '5531' . digits(9));

sub digits { return join '', map { int rand 10 } 1 .. $_[0] }

my $s = fault_stack(env => {
		WEBHOOK_SECRET => $canary{secret}, LOG_LEVEL => 'debug',
		POOL_TARGET => 6, POOL_LOW => 5, GATEWAY_START_GRACE => 0 });
my $helper = helper($s, '--for', 600);
wait_pool($s) or BAIL_OUT('the pool was never filled');

my $user = user($s);
my $token = $user->{token};
my @bodies;    # of every answer that is an error
my @shown;     # QR values and codes

subtest 'every door is tried, well and ill'  => \&doors;
subtest 'and while the gateway fails'        => \&faults_too;
subtest 'and while the database is away'     => \&database_away;
subtest 'and programs that cannot start'     => \&cannot_start;
helper_end($helper) // fail('the helper does not end');
subtest 'no log holds a secret'              => \&logs;
subtest 'no error body does'                 => \&error_bodies;
subtest 'sealed columns are'                 => \&columns;
done_testing;

# A request whose error is kept.
sub ask {
	my ($method, $path, %opt) = @_;
	$opt{headers} = {
		Cookie => "s=$canary{cookie}", Referer => "http://x.example/?$canary{referer}", 'User-Agent' => $canary{agent},
		%{ $opt{headers} || {} } };
	my $answer = $s->http($method, "$path?q=$canary{query}", timeout => 10, %opt);
	push @bodies, $answer->{body} if $answer->{status} >= 400;
	return $answer;
}

sub login {
	my ($password) = @_;
	return ask(POST => '/api/auth/login', json => { email => 'ana@example.com', password => $password });
}

# All that a client can send in one round; the paths with a bearer also get broken ones.
sub round {
	login($canary{password});
	login($canary{wrongpassword});
	ask(POST => '/api/auth/login', body => qq({"email":"ana\@example.com","password":"$canary{wrongpassword}),
		headers => { 'Content-Type' => 'application/json' });
	ask(POST => '/api/auth/login', json => { email => $canary{wrongpassword}, password => [$canary{wrongpassword}] });
	for my $bearer ($token, "$token$canary{claim}", $canary{claim}, $s->token($user->{id}, exp => 1, claim => $canary{claim}),
		$s->token($canary{claim})) {
		ask(GET => "/api/whatsapp/$_", token => $bearer) for qw(my-connection qr);
		ask(POST => '/api/whatsapp/connect', token => $bearer, json => { method => 'code', phoneNumber => $phone{pairing} });
		ask(POST => '/api/whatsapp/connect', token => $bearer, json => {},
			headers => { 'Idempotency-Key' => $canary{idempotency} });
	}
	ask(POST => '/api/whatsapp/connect', token => $token, json => { method => $canary{text}, phoneNumber => $canary{text} });
	ask(POST => '/api/whatsapp/connect', token => $token, json => { method => 'code', phoneNumber => "$phone{pairing}$canary{text}" });
	ask(GET => '/api/whatsapp/nothing', token => $token);
	message($canary{secret});
	message($canary{badsecret});
	webhook_post($s, "{\"event\":\"message\",\"payload\":{\"body\":\"$canary{text}\"", secret => $canary{secret});
	return;
}

sub message {
	my ($secret) = @_;
	my $body = webhook_body(event => 'message', session => 'nobody', metadata => { x => $canary{text} },
		me => { id => "$phone{scanned}\@c.us", pushName => $canary{pushname} },
		payload => { from => "$phone{sender}\@c.us", body => $canary{text}, _data => { notifyName => $canary{pushname} } });
	my $answer = webhook_post($s, $body, secret => $secret);
	push @bodies, $answer->{body} if $answer->{status} >= 400;
	return $answer;
}

# What the simulator shows now is secret too.
sub remember_shown {
	push @shown, grep { defined } map { @$_{qw(qr code)} } values %{ sim_sessions($s) || {} };
	return;
}

# --- In by every door ---

sub doors {
	is +($s->ctl(\"$canary{password}\n", qw(user add ana@example.com --password-stdin)))[0], 0, 'a password';
	$s->psql("INSERT INTO waha_servers (nome, api_url, api_key, webhook_secret, prioridade, max_sessions)
		VALUES ('keyed', '" . $s->sim_url . "/s/keyed', '$canary{apikey}', '$canary{apikey}secret', 1, 5)");
	is login($canary{password})->{status}, 200, 'logs in';
	is message($canary{secret})->{status}, 200, 'a message is stored';
	is message($canary{badsecret})->{status}, 401, 'another is refused';
	my $name = connect_user($s, $user)->{json}{instanceName};
	remember_shown();
	ok length sim_session($s, $name)->{qr}, 'a QR is shown';
	is ask(POST => '/api/whatsapp/connect', token => $token, json => { method => 'code', phoneNumber => $phone{pairing} })->{status}, 200,
		'and a pairing code';
	remember_shown();
	is +(sim($s, POST => "/_sim/sessions/$name/scan", { phone => $phone{scanned}, pushName => $canary{pushname} }))[0], 200, 'a phone scans';
	ok wait_until(20, sub { ask(GET => '/api/whatsapp/my-connection', token => $token)->{json}{connected} }), 'and is connected';
	is +(sim($s, POST => "/_sim/sessions/$name/message", { from => $phone{sender}, text => $canary{text} }))[0], 200, 'a message comes';
	ok wait_until(20, sub { $s->psql_value("SELECT count(*) FROM webhook_events WHERE session = '$name' AND event = 'message'") }), 'and is stored';
	round();
	cmp_ok scalar @bodies, '>', 20, scalar(@bodies) . ' errors were answered';
	return;
}

sub faults_too {
	my $before = @bodies;
	$s->set_env(CONNECT_DEADLINE_MS => 1500, GATEWAY_TIMEOUT_MS => 500);    # nobody waits long for what hangs
	$s->reload_responders;
	helper_end($helper) // fail('the helper does not end');
	$helper = helper($s, '--for', 600);
	for my $fault (
		{ kind => 'status', status => 500 }, { kind => 'status', status => 422 }, { kind => 'garbage' }, { kind => 'unauthorized' },
		{ kind => 'hang' }, { kind => 'reset' }, { kind => 'ghost' }) {
		my $other = user($s);
		faults($s, $fault);
		ask(POST => '/api/whatsapp/connect', token => $_->{token}, json => { method => 'code', phoneNumber => $phone{pairing} }) for $user, $other;
		ask(GET => '/api/whatsapp/qr', token => $user->{token});
		ask(POST => '/api/whatsapp/disconnect', token => $other->{token}, json => {});
		sleep 0.3;
		no_faults($s);
		time_passes($s);
	}
	remember_shown();
	cmp_ok scalar @bodies, '>', $before + 10, 'errors were answered';
	return;
}

sub database_away {
	my $before = @bodies;
	$s->stop_postgres;
	round();
	$s->postgres->start;
	ok wait_until(20, sub { ask(GET => '/api/whatsapp/my-connection', token => $token)->{status} == 200 }), 'it is back';
	cmp_ok scalar @bodies, '>', $before + 20, 'errors were answered';
	$s->psql(q{ALTER TABLE webhook_events ADD CONSTRAINT none CHECK (event <> 'message') NOT VALID});
	cmp_ok message($canary{secret})->{status}, '>=', 400, 'a row that PostgreSQL refuses, and quotes in its own words';
	$s->psql('ALTER TABLE webhook_events DROP CONSTRAINT none');
	return;
}

# What they say goes to a log as well.
sub cannot_start {
	my %env = %{ $s->environment };
	my $password = 'canarydbx' . random_hex(6);
	$canary{database} = $password;
	for my $change (
		{ DATABASE_URL => "postgresql://wapool:$password\@[/x" }, { JWT_SECRET => 'canaryjwtx' },
		{ WAHA_URL => 'canaryurlx', WAHA_API_KEY => $canary{apikey} }, { DATABASE_URL => "host=/nonexistent password=$password" }) {
		my (undef, $output) = run_program(['./wapool-maintain', 'seal'], dir => $s->{build}, env => { %env, %$change });
		unlike $output, qr/\Q$password\E|canaryjwtx|\Q$canary{apikey}\E/, 'wapool-maintain tells none: ' . join ' ', keys %$change
			or diag $output;
		(undef, $output) = run_program(['./auth-login'], dir => "$s->{build}/handlers", env => { %env, %$change,
				REQUEST_METHOD => 'POST', DOCUMENT_URI => '/api/auth/login', CONTENT_TYPE => 'application/json', CONTENT_LENGTH => 2 },
			stdin => '{}');
		unlike $output, qr/\Q$password\E|canaryjwtx|\Q$canary{apikey}\E/, 'nor does auth-login' or diag $output;
	}
	return;
}

# --- Out by none ---

# Name => pattern of all that must not be seen, in clear or in base64.
sub secrets {
	my %secret = (%canary, map { ("phone $_" => $phone{$_}) } keys %phone);
	$secret{token} = $token;
	$secret{signature} = (split /\./, $token)[2];
	$secret{'simulator key'} = $s->sim_key;
	$secret{'jwt secret'} = $s->jwt_secret;
	$secret{'sealing key'} = slurp($s->key_file) =~ s/\s+\z//r;
	$secret{"database password $_"} = $s->postgres->password($_) for qw(wapool postgres);
	my %seen;
	$secret{"shown $_"} = $shown[$_] for grep { !$seen{ $shown[$_] }++ && length $shown[$_] > 6 } 0 .. $#shown;
	return %secret;
}

sub found_in {
	my ($text, %secret) = @_;
	return grep { index($text, $secret{$_}) >= 0 || index($text, substr encode_base64($secret{$_}, ''), 0, -4) >= 0 } sort keys %secret;
}

sub logs {
	my %secret = secrets();
	cmp_ok scalar(grep { /^shown/ } keys %secret), '>=', 2, 'QR values and codes are known';
	is join(' ', found_in("a$canary{text}b " . encode_base64($canary{apikey}), %secret)), 'apikey text', 'what is planted is found';
	my @logs = glob "$s->{var}/log/*";
	my $bytes = 0;
	for my $log (@logs) {
		my $text = slurp($log);
		$bytes += length $text;
		my ($name) = $log =~ m{([^/]+)\z};
		# the database's own log is the administrator's: it may quote rows; ours only make it say nothing
		my @found = found_in($text, %secret);
		is "@found", '', $name or diag map { my $s = $secret{$_}; my ($line) = grep { /\Q$s\E/ } split /\n/, $text; "$_: " . substr($line // '', 0, 600) . "\n" } @found;
	}
	cmp_ok $bytes, '>', 20_000, "$bytes bytes in " . @logs . ' files were searched';
	like $s->log_text('connect'), qr/connect\.failed/, 'failures among them';
	return;
}

sub error_bodies {
	my %secret = secrets();
	my %found;
	for my $body (@bodies) {
		$found{$_} = $body for found_in($body, %secret);
	}
	is_deeply \%found, {}, scalar(@bodies) . ' errors quote nothing secret';
	return;
}

sub columns {
	my %secret = secrets();
	for my $table (qw(users devices waha_servers instances instance_events idempotency_keys)) {
		my $all = join "\n", map { $_->[0] // '' } $s->psql("SELECT t::text FROM $table t");
		my %forbidden = map { $_ => $secret{$_} } grep { !may_stand($table, $_) } keys %secret;
		is join(' ', found_in($all, %forbidden)), '', $table;
	}
	is $s->psql_value(q{SELECT count(*) FROM users WHERE password_hash NOT LIKE '$argon2id$%'}), 0, 'passwords are hashed';
	is $s->psql_value(q{SELECT count(*) FROM waha_servers WHERE api_key IS NOT NULL OR webhook_secret IS NOT NULL}), 0, 'no key is in clear';
	is $s->psql_value(q{SELECT count(*) FROM waha_servers WHERE api_key_sealed LIKE 'sealed:v%' AND webhook_secret_sealed LIKE 'sealed:v%'}), 2,
		'but sealed';
	return;
}

# The owner's phone and name are data; the key of a request is how it is found again.
sub may_stand {
	my ($table, $name) = @_;
	return $table eq 'instances' && $name =~ /\A(?:phone scanned|pushname)\z/
		|| $table eq 'idempotency_keys' && $name =~ /\A(?:idempotency|shown|phone)/;
}
