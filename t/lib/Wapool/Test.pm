package Wapool::Test;

# What the end-to-end tests share: a stack in one call, the simulator's remote control, many requests
# at once, QR codes read back, problems and invariants checked.

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA qw(hmac_sha512_hex);
use Errno ();
use File::Temp ();
use HTTP::Tiny;
use IO::Select ();
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Scalar::Util qw(weaken);
use Test::More;
use Time::HiRes qw(sleep time);

use Wapool::Database qw(start_database);
use Wapool::Process qw(find_program run_program slurp wait_until);
use Wapool::Stack;

use Exporter qw(import);
our @EXPORT_OK = qw(stack sim sim_session sim_generation scan faults burst burst_while_locked shared_by problem_ok eventually eventually_ok
	hour_lasts instance_of lifecycle present_name free_instances stock read_and_shown qr_of_png qr_of_data_uri qr_of_svg sign
	webhook server_id row_counts invariants_ok json_of SEED_EMPTY WEBHOOK_SECRET PATIENCE);

use constant {
	PATIENCE       => 30,    # seconds before a condition counts as never coming
	WEBHOOK_SECRET => 'a-webhook-secret-of-the-tests',
};

# The words of the seed's answer when the pool is empty.
use constant SEED_EMPTY => {
	error   => "N\x{e3}o h\x{e1} inst\x{e2}ncias dispon\x{ed}veis no momento",
	message => "Tente novamente em alguns segundos. Estamos criando mais inst\x{e2}ncias.",
};

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my @stacks;    # weak: those made here

# --- A stack ---

# A running stack with settings for tests:
#   scale => how many times shorter simulated durations are (20; 0: no simulator), qr_scale => another for the life of QRs
#   helper => 0: none runs; the caller runs $s->maintain(TASK…) when he likes
#   env => {…}, responders => [names] (all)
#   hosts => 2: two sets of responders and helpers on the one database; burst spreads its requests over them
sub stack {
	my (%opt) = @_;
	my $scale = $opt{scale} // 20;
	my $s = Wapool::Stack->new(env => { WEBHOOK_SECRET => WEBHOOK_SECRET, %{ $opt{env} || {} } });
	push @stacks, $s;
	weaken($stacks[-1]);
	start_database($s);
	$s->start_sim('--time-scale', $scale, $opt{qr_scale} ? ('--qr-scale', $opt{qr_scale}) : ()) if $scale;
	$s->start_responders(@{ $opt{responders} || [] });
	$s->start_maintain if $opt{helper} // 1;
	$s->start_nginx;
	$s->another_host(helper => $opt{helper} // 1, responders => $opt{responders}) for 2 .. $opt{hosts} // 1;
	return $s;
}

# Orders and makes the pool's instances without a running helper. Returns how many stand by.
sub stock {
	my ($s) = @_;
	my ($status, $output) = $s->maintain(qw(seal refill recycle));
	croak "wapool-maintain: $status $output" if $status != 0;
	return free_instances($s);
}

# Polls until the sub returns true; returns that, or false when patience ends.
sub eventually {
	my ($check, $seconds) = @_;
	return wait_until($seconds // PATIENCE, $check);
}

# The same as a test. Its failure shows what the helpers said last.
sub eventually_ok {
	my ($what, $check, $seconds) = @_;
	my $got = eventually($check, $seconds);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($got, $what) || show_helpers();
	return $got;
}

# Returns once the hour lasts so many seconds more: where it ends, and with it a day, counters of quotas begin anew.
sub hour_lasts {
	my ($seconds) = @_;
	sleep 1 while 3600 - time % 3600 < $seconds;
	return;
}

sub show_helpers {
	for my $file (map { glob "$_->{var}/log/maintain*.log" } grep { defined } @stacks) {
		my @lines = grep { !/"work\.ready"/ } split /^/, slurp($file);
		diag("$file:\n", @lines > 15 ? @lines[-15 .. -1] : @lines);
	}
	return;
}

sub json_of { return $json->decode($_[0]) }

# --- The simulated gateway ---

# A call of the simulator's control API: sim($s, POST => "sessions/$name/drop", {…}). The JSON answered.
sub sim {
	my ($s, $method, $path, $body) = @_;
	my $answer = HTTP::Tiny->new(timeout => 20, no_proxy => '127.0.0.1')->request($method,
		$s->sim_url . "/_sim/$path", { headers => { 'Content-Type' => 'application/json' },
			defined $body ? (content => $json->encode($body)) : () });
	croak "$method /_sim/$path: $answer->{status} $answer->{content}" unless $answer->{success};
	return $answer->{content} eq '' ? undef : $json->decode($answer->{content});
}

# One session as the simulator sees it; undef: there is none.
sub sim_session {
	my ($s, $name) = @_;
	return sim($s, GET => "sessions?name=$name")->[0];
}

# The generation that the session was made with, as its webhooks carry it; undef: there is no session.
sub sim_generation {
	my ($s, $name) = @_;
	my $answer = HTTP::Tiny->new(timeout => 20, no_proxy => '127.0.0.1')->get(
		$s->sim_url . "/api/sessions/$name", { headers => { 'X-Api-Key' => $s->sim_key } });
	return unless $answer->{status} == 200;
	return $json->decode($answer->{content})->{config}{metadata}{'wapool.generation'};
}

# A phone scans the session's QR.
sub scan {
	my ($s, $name, $phone) = @_;
	return sim($s, POST => "sessions/$name/scan", { phone => $phone, pushName => 'Maria' });
}

# Replaces the simulator's faults by these; none given: all is well again.
sub faults {
	my ($s, @faults) = @_;
	return sim($s, PUT => 'faults', { faults => \@faults });
}

# --- The database ---

# The instance of that user's default device: {name, lifecycle, status, …}, undef: he has none.
sub instance_of {
	my ($s, $user) = @_;
	return row($s, "i.assigned_to_user_id = '$user'");
}

# The lifecycle of the instance that has, or once had, that name.
sub lifecycle {
	my ($s, $name) = @_;
	return $s->psql_value("SELECT lifecycle FROM instances WHERE id = " . once_named($name));
}

# The name that it has now.
sub present_name {
	my ($s, $name) = @_;
	return $s->psql_value("SELECT name FROM instances WHERE id = " . once_named($name));
}

sub once_named {
	my ($name) = @_;
	return "(SELECT id FROM instances WHERE name = '$name' UNION SELECT instance_id FROM instance_events"
		. " WHERE kind = 'renamed' AND from_state = '$name' LIMIT 1)";
}

sub row {
	my ($s, $where) = @_;
	my $text = $s->psql_value("SELECT row_to_json(i) FROM instances i WHERE $where");
	return defined $text ? $json->decode($text) : undef;
}

sub free_instances {
	my ($s) = @_;
	return $s->psql_value("SELECT count(*) FROM instances WHERE lifecycle = 'standby'");
}

sub server_id { return $_[0]->psql_value('SELECT id FROM waha_servers ORDER BY created_at LIMIT 1') }

# Rows of each table: {table => count}.
sub row_counts {
	my ($s) = @_;
	my @tables = map { $_->[0] } $s->psql(
		"SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
		. " AND relname NOT IN ('counters', 'helper_runs') ORDER BY 1");
	my $counts = join ' UNION ALL ', map { "SELECT '$_', count(*) FROM $_" } @tables;
	return { map { $_->[0] => $_->[1] } $s->psql($counts) };
}

# What must hold at any moment, whatever runs: one test, which says what is broken.
sub invariants_ok {
	my ($s, $what) = @_;
	my @wrong = map { $_->[0] } $s->psql(<<'SQL');
SELECT 'device ' || device_id || ' has ' || count(*) FROM instances
	WHERE device_id IS NOT NULL GROUP BY device_id HAVING count(*) > 1
UNION ALL SELECT 'name ' || name || ' twice' FROM instances GROUP BY name HAVING count(*) > 1
UNION ALL SELECT name || ' is ' || lifecycle || ' with an owner' FROM instances
	WHERE (lifecycle = 'assigned') <> (assigned_to_user_id IS NOT NULL)
UNION ALL SELECT name || ' is ' || lifecycle || ' with a phone' FROM instances
	WHERE lifecycle <> 'assigned' AND phone_number IS NOT NULL
UNION ALL SELECT name || ' is in the wrong hands' FROM instances i JOIN devices d ON d.id = i.device_id
	WHERE d.user_id <> i.assigned_to_user_id
UNION ALL SELECT 'server counts ' || s.sessions_ativas || ', has ' || n || ', may have ' || s.max_sessions
	FROM waha_servers s JOIN (SELECT server_id, count(*) AS n FROM instances WHERE lifecycle <> 'retired'
		GROUP BY server_id) c ON c.server_id = s.id
	WHERE s.sessions_ativas <> n OR n > s.max_sessions
SQL
	push @wrong, occupied_standby($s);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is join("\n", @wrong), '', "$what: the invariants hold";
}

# Instances that stood by, all the time from before to after a look at the gateway, although their session
# there has a phone.
sub occupied_standby {
	my ($s) = @_;
	my $standby  = "SELECT name, epoch FROM instances WHERE lifecycle = 'standby'";
	my %before   = map { $_->[0] => $_->[1] } $s->psql($standby);
	my @sessions = grep { defined $_->{phone} || $_->{linked} } @{ sim($s, GET => 'sessions') };
	my %after    = map { $_->[0] => $_->[1] } $s->psql($standby);
	return map { "$_->{name} stands by with a phone" }
		grep { ($before{ $_->{name} } // 'x') eq ($after{ $_->{name} } // 'y') } @sessions;
}

# --- Requests ---

# Sends all requests at once, each on a connection of its own and to the hosts in turn, and waits for the
# answers, which come in the same order and the form of $s->http. A request: {method, path, token, json or body, headers}.
# Status 599: no answer.
sub burst {
	my ($s, @requests) = @_;
	my @flights = flights($s, @requests);
	fly(@flights);
	return answers($s, \@requests, @flights);
}

# The same, but the first goes ahead and has to wait for a locked table; the lock ends once the others had a
# moment to come. So they find the responder's only thread busy, and none of them waits for the lock itself.
sub burst_while_locked {
	my ($s, $table, @requests) = @_;
	open my $psql, '|-', 'psql', '-XqAt', '-o', '/dev/null', $s->database_url or croak "psql: $!";
	$psql->autoflush;
	print {$psql} "BEGIN; LOCK TABLE $table;\n";
	my $locks = sub { $s->psql_value("SELECT count(*) FROM pg_locks WHERE relation = '$table'::regclass AND $_[0]") };
	eventually(sub { $locks->("granted AND mode = 'AccessExclusiveLock'") }) or croak "$table is not locked";
	my @flights = flights($s, @requests);
	send_request($flights[0]);
	eventually(sub { $locks->('NOT granted') }) or croak "the first does not wait for $table";
	send_request($_) for @flights[1 .. $#flights];
	sleep 0.3;
	print {$psql} "COMMIT;\n";
	close $psql;
	fly(@flights);
	return answers($s, \@requests, @flights);
}

# With how many at once each of these was received, as the responder's log tells.
sub shared_by {
	my ($s, $responder, @answers) = @_;
	my %together;
	# an answer is sent before its line is written
	eventually(sub {
		%together = map { $_->{event} eq 'request' ? ($_->{requestId} => $_->{together}) : () }
			map { $json->decode($_) } $s->log_text($responder) =~ /^(.*)\n/mg;
		return !grep { !$together{ $_->{headers}{'x-request-id'} } } @answers;
	}) or croak "$responder has not logged all of them";
	return map { $together{ $_->{headers}{'x-request-id'} } } @answers;
}

# A connection for each request.
sub flights {
	my ($s, @requests) = @_;
	my @ports = map { $_->{http_port} } $s->hosts;
	my @flights = map { +{ out => request_bytes($_), in => '' } } @requests;
	for my $i (0 .. $#flights) {
		$flights[$i]{socket} = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ports[$i % @ports],
			Timeout => 10) or next;
		$flights[$i]{socket}->blocking(0);
	}
	return @flights;
}

# What has come back on them, noted as exchanges.
sub answers {
	my ($s, $requests, @flights) = @_;
	my @answers = map { answer_of($_->{in}) } @flights;
	for my $i (0 .. $#answers) {
		my ($rq, $answer) = ($requests->[$i], $answers[$i]);
		my $body = exists $rq->{json} ? $json->encode($rq->{json}) : $rq->{body};
		$s->note_exchange($rq->{method}, $rq->{path}, $rq->{headers} || {}, $body, @$answer{qw(status headers body)});
	}
	return @answers;
}

sub request_bytes {
	my ($rq) = @_;
	my %header = (Host => 'localhost', Connection => 'close', %{ $rq->{headers} || {} });
	my $body = $rq->{body} // '';
	if (exists $rq->{json}) {
		$body = $json->encode($rq->{json});
		$header{'Content-Type'} //= 'application/json';
	}
	$header{Authorization} = "Bearer $rq->{token}" if $rq->{token};
	$header{'Content-Length'} = length $body if $rq->{method} ne 'GET';
	return join "\r\n", "$rq->{method} $rq->{path} HTTP/1.1",
		(map { "$_: $header{$_}" } sort keys %header), '', $body;
}

# Says the whole of a request, without waiting for its answer.
sub send_request {
	my ($flight) = @_;
	local $SIG{PIPE} = 'IGNORE';
	$flight->{socket}->blocking(1);
	print { $flight->{socket} } $flight->{out} or croak "send: $!";
	$flight->{socket}->flush;
	$flight->{socket}->blocking(0);
	$flight->{out} = '';
	return;
}

# Writes and reads on all connections until each has ended, or patience has.
sub fly {
	my (@flights) = grep { $_->{socket} } @_;
	local $SIG{PIPE} = 'IGNORE';
	my %of = map { fileno($_->{socket}) => $_ } @flights;
	my ($in, $out) = map { IO::Select->new(map { $_->{socket} } @flights) } 1, 2;
	my $end = time + 2 * PATIENCE;
	while ($in->count && time < $end) {
		my ($readable, $writable) = IO::Select->select($in, $out, undef, 1);
		for my $socket (@{ $writable || [] }) {
			my $flight = $of{ fileno $socket };
			my $n = syswrite $socket, $flight->{out};
			next if !defined $n && $!{EAGAIN};
			substr $flight->{out}, 0, $n, '' if $n;
			$out->remove($socket) if !$n || $flight->{out} eq '';
		}
		for my $socket (@{ $readable || [] }) {
			my $n = sysread $socket, $of{ fileno $socket }{in}, 65536, length $of{ fileno $socket }{in};
			next if !defined $n && $!{EAGAIN};
			next if $n;
			$_->remove($socket) for $in, $out;
		}
	}
	close $_->{socket} for @flights;
	return;
}

sub answer_of {
	my ($bytes) = @_;
	my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
	my ($status) = ($head // '') =~ m{\AHTTP/1\.1 ([0-9]{3})} or return { status => 599, headers => {}, body => '' };
	my %headers = map { /\A([^:]+): *(.*)\z/ ? (lc $1 => $2) : () } split /\r\n/, $head;
	return { status => $status, headers => \%headers, body => $body // '',
		json => scalar eval { $json->decode($body) } };
}

# --- Webhooks ---

sub sign {
	my ($body, $secret) = @_;
	return hmac_sha512_hex($body, $secret // WEBHOOK_SECRET);
}

# A gateway's event as request for burst or, by way of its values, $s->http. event: a structure or bytes.
#   signature => another one, or undef for none; path => default /webhook/SERVER; request_id
sub webhook {
	my ($s, $event, %opt) = @_;
	my $body = ref $event ? $json->encode($event) : $event;
	my %header = ('Content-Type' => 'application/json', 'X-Webhook-Hmac-Algorithm' => 'sha512',
		'X-Webhook-Hmac' => sign($body));
	$header{'X-Webhook-Hmac'} = $opt{signature} if exists $opt{signature};
	delete $header{'X-Webhook-Hmac'} unless defined $header{'X-Webhook-Hmac'};
	$header{'X-Webhook-Request-Id'} = $opt{request_id} if defined $opt{request_id};
	my $path = $opt{path} // '/webhook/' . ($s->{test_server_id} //= server_id($s));
	return { method => 'POST', path => $path, body => $body, headers => \%header };
}

# --- Problems ---

my @MEMBERS = qw(type title status detail instance error message requestId);

# Names of what lies behind, which no answer may mention.
my $INTERNALS = qr{libpq|PQ[a-z]+|\bpg_|SELECT|INSERT|UPDATE\b|relation "|ERROR:|SQLSTATE|PL/pgSQL|sqlstate|assert
	|jansson|cjose|curl|X-Api-Key|\.c\b:?[0-9]*|/tmp/|/var/|/usr/|/home/|stack|core dumped|segfault
	|a-webhook-secret-of-the-tests}xi;

# One test: the answer is that problem, whole, and tells nothing of what lies behind. code is the tail of
# its type, undef for any; more => {member => value}.
sub problem_ok {
	my ($answer, $status, $code, $what, $more) = @_;
	my $problem = ref $answer->{json} eq 'HASH' ? $answer->{json} : {};
	my %want = %{ $more || {} };
	my @wrong;
	push @wrong, "status $answer->{status}, not $status" if $answer->{status} != $status;
	push @wrong, 'content type ' . ($answer->{headers}{'content-type'} // 'none')
		if ($answer->{headers}{'content-type'} // '') ne 'application/problem+json';
	push @wrong, map { "no $_" } grep { !length($problem->{$_} // '') } @MEMBERS;
	push @wrong, map { "member $_" } grep { my $m = $_; !grep { $m eq $_ } @MEMBERS, 'errors' } sort keys %$problem;
	push @wrong, 'type ' . ($problem->{type} // '') if defined $code && ($problem->{type} // '') ne "urn:wapool:problem:$code";
	push @wrong, 'its status is ' . ($problem->{status} // '') if ($problem->{status} // 0) != $status;
	push @wrong, 'error is not the title' if ($problem->{error} // '') ne ($problem->{title} // '');
	push @wrong, 'message is not the detail' if ($problem->{message} // '') ne ($problem->{detail} // '');
	push @wrong, 'requestId is not X-Request-Id'
		if ($problem->{requestId} // '') ne ($answer->{headers}{'x-request-id'} // 'none');
	push @wrong, "tells of $1" if "$answer->{body}" =~ /($INTERNALS)/;
	push @wrong, map { "$_ is " . ($problem->{$_} // 'not there') }
		grep { ($problem->{$_} // '') ne $want{$_} } sort keys %want;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(join('; ', @wrong), '', $what) || diag(substr $answer->{body} // '', 0, 500);
}

# --- QR codes ---

# Asks until a look at the simulator shows that the QR has not changed meanwhile: (what a phone reads, the QR).
# A code is shown for a second only, times being simulated.
sub read_and_shown {
	my ($s, $name, $ask) = @_;
	for (1 .. 20) {
		my $before = (sim_session($s, $name) || {})->{qr} // '';
		my $read = $ask->() // 'nothing';
		return ($read, $before) if $before eq ((sim_session($s, $name) || {})->{qr} // '');
	}
	return ('changes all the time', '');
}

# What a phone reads from the picture (bytes of a file that zbarimg knows); undef: nothing.
sub qr_of_picture {
	my ($bytes, $suffix) = @_;
	my $zbarimg = find_program('zbarimg');
	my $file = File::Temp->new(SUFFIX => $suffix);
	binmode $file;
	print {$file} $bytes;
	close $file;
	my ($status, $output) = run_program([$zbarimg, '--quiet', '--raw', '-Sdisable', '-Sqrcode.enable',
			$file->filename], err => \my $complaints);
	return if $status != 0;
	chomp $output;
	return $output;
}

sub qr_of_png { return qr_of_picture($_[0], '.png') }

# The same of "data:image/png;base64,…"; undef also if it is none.
sub qr_of_data_uri {
	my ($uri) = @_;
	my ($base64) = ($uri // '') =~ m{\Adata:image/png;base64,([A-Za-z0-9+/]+=*)\z} or return;
	require MIME::Base64;
	return qr_of_png(MIME::Base64::decode_base64($base64));
}

# The same of an SVG, painted here: its one path must be rectangles of modules.
sub qr_of_svg {
	my ($svg) = @_;
	my ($size) = $svg =~ /viewBox="0 0 ([0-9]+) \g1"/ or return;
	my ($path) = $svg =~ /<path [^>]*\bd="([^"]*)"/ or return;
	my @rows = map { "\xff" x $size } 1 .. $size;
	my ($x, $y) = (0, 0);
	while ($path =~ /\Gm(-?[0-9]+) (-?[0-9]+)h([0-9]+)v1h-\g3z/gc) {
		$x += $1;
		$y += $2;
		substr $rows[$y], $x, $3, "\0" x $3;
	}
	return if (pos($path) // 0) != length $path;
	my $zoom = 6;
	my $pixels = join '', map { (join '', map { $_ x $zoom } split //) x $zoom } @rows;
	return qr_of_picture("P5\n" . $size * $zoom . ' ' . $size * $zoom . "\n255\n$pixels", '.pgm');
}

1;
