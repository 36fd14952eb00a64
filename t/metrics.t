#!/usr/bin/perl
# GET /metrics: both formats by their own parsers, numbers against what was done, who may read them, and
# labels that tell nothing about anybody.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use File::Temp ();
use JSON::PP ();
use Test::More;

use Wapool::Fault qw(connect_user crowd crowd_end fault_stack helper helper_end link_user sim user wait_pool webhook_body webhook_post);
use Wapool::Process qw(run_program slurp spew wait_until);

my $OPEN = 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

my $s = fault_stack(env => { POOL_TARGET => 6, POOL_LOW => 2 });
my $helper = helper($s, '--for', 600);
wait_pool($s) or BAIL_OUT('the pool was never filled');

subtest 'Prometheus text'                            => \&prometheus;
subtest 'OpenMetrics'                                => \&openmetrics;
subtest 'what happened is what is counted'           => \&numbers;
subtest 'many processes count one thing once'        => \&many;
subtest 'webhooks'                                   => \&webhooks;
ok wait_pool($s), 'the pool is full again';
helper_end($helper) // fail('the helper does not end');    # it would take the alarms of `labels` away
subtest 'no label tells of anybody'                  => \&labels;
subtest 'numbers survive restarts, CGI and pruning'  => \&survival;
subtest 'who may read them'                          => \&access;
subtest 'alert rules'                                => \&rules;
subtest 'rules and dashboard ask for what there is'  => \&queries;
subtest 'the database is away'                       => \&database_away;
done_testing;

# --- Reading ---

sub scrape {
	my (%headers) = @_;
	return $s->http(GET => '/metrics', headers => \%headers);
}

# 'name{labels}' => value, of Prometheus' format.
sub samples {
	my $text = scrape()->{body};
	return { map { /\A(\S+(?:\{[^}]*\})?) (\S+)\z/ ? ($1 => $2) : () } grep { !/\A#/ } split /\n/, $text };
}

sub value { return samples()->{ $_[0] } // "no $_[0]" }

# --- Formats ---

sub prometheus {
	my $answer = scrape();
	is $answer->{status}, 200, 'it answers';
	is $answer->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', 'content type';
	my ($status, $said) = run_program([qw(promtool check metrics)], stdin => $answer->{body});
	is $status, 0, 'promtool takes it';
	is $said, '', 'and finds nothing to improve';
	my %seen;
	$seen{$_}++ for map { /\A(\S+(?:\{[^}]*\})?) \S+\z/ ? $1 : () } split /\n/, $answer->{body};
	is_deeply [grep { $seen{$_} > 1 } sort keys %seen], [], 'no series twice';
	cmp_ok scalar keys %seen, '>', 100, scalar(keys %seen) . ' series';
	return;
}

sub openmetrics {
	my $answer = scrape(Accept => $OPEN);
	is $answer->{headers}{'content-type'}, 'application/openmetrics-text; version=1.0.0; charset=utf-8', 'content type';
	my $check = File::Temp->new(SUFFIX => '.py');
	spew($check->filename, <<'PY', 0600);
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
n = 0
for family in text_string_to_metric_families(sys.stdin.read()):
    n += 1
    assert family.documentation, family.name
print(n)
PY
	my ($status, $said) = run_program(['/usr/bin/python3', $check->filename], stdin => $answer->{body});
	is $status, 0, 'the strict parser takes it' or diag $said;
	cmp_ok $said + 0, '>=', 20, 'families' if $status == 0;
	like scrape(Accept => 'text/plain')->{headers}{'content-type'}, qr{\Atext/plain}, 'text/plain if that is asked for';
	like scrape(Accept => '*/*')->{headers}{'content-type'}, qr{\Atext/plain}, 'and by default';
	return;
}

# --- Numbers ---

sub numbers {
	my $before = samples();
	is $before->{wapool_pool_free}, 6, 'the pool is full';
	is $before->{wapool_pool_target}, 6, 'its target';
	is $before->{wapool_pool_low}, 2, 'and where it is low';
	my $ana = user($s);
	link_user($s, $ana, '5511999990001') or return fail('a phone connects');
	connect_user($s, $ana);
	my $after = samples();
	is $after->{'wapool_claims_total{outcome="claimed"}'} - $before->{'wapool_claims_total{outcome="claimed"}'}, 1, 'a claim';
	is $after->{'wapool_claims_total{outcome="own"}'} - $before->{'wapool_claims_total{outcome="own"}'}, 1, 'a second click';
	is $after->{wapool_pool_assigned}, 1, 'one is assigned';
	is $after->{wapool_instances_online}, 1, 'and online';
	is $s->http(POST => '/api/whatsapp/disconnect', token => $ana->{token}, json => {})->{status}, 200, 'he leaves';
	is value('wapool_releases_total{reason="user"}'), 1, 'a release by its user';
	ok wait_until(30, sub { value('wapool_cleanups_total') == 1 }), 'its session is made anew';
	ok wait_until(30, sub { value('wapool_pool_free') >= 6 }), 'and free again';
	is value('wapool_instances_online'), 0, 'nobody is online';
	my $server = $s->psql_value('SELECT id FROM waha_servers');
	is value("wapool_server_up{server=\"$server\"}"), 1, 'the server is up';
	# two readings: the helper may order one in between
	ok wait_until(30, sub { value("wapool_server_sessions{server=\"$server\"}") == $s->psql_value('SELECT sessions_ativas FROM waha_servers') }),
		'its sessions';
	ok wait_until(30, sub { value('wapool_look_duration_seconds_count{outcome="ok"}') >= 1 }), 'looks are timed';
	my $looks = samples();
	cmp_ok $looks->{'wapool_look_duration_seconds_bucket{outcome="ok",le="+Inf"}'}, '>=', $looks->{'wapool_look_duration_seconds_bucket{outcome="ok",le="0.05"}'},
		'in buckets that grow';
	for my $task (qw(seal refill recycle health reconcile deliver prune)) {
		ok wait_until(30, sub { my $at = value("wapool_helper_last_run_timestamp_seconds{task=\"$task\"}"); $at =~ /\A\d/ && abs($at - time) < 60 }),
			"the helper's $task ran just now";
	}
	is value('wapool_helper_hosts'), 1, 'on one host';
	my $wrong;
	ok wait_until(30, sub { ($wrong = kinds_wrong()) eq '' }), 'the kept numbers are the true ones' or diag $wrong;
	return;
}

# What is kept against what there is, a moment later.
sub kinds_wrong {
	my $samples = samples();
	my %true = map { ("wapool_instances{lifecycle=\"$_->[0]\",health=\"$_->[1]\"}" => $_->[2]) }
		$s->psql('SELECT lifecycle, health, count(*) FROM instances GROUP BY 1, 2');
	return join ', ', map { "$_ $samples->{$_}, true " . ($true{$_} // 0) }
		grep { $samples->{$_} != ($true{$_} // 0) } grep { /\Awapool_instances\{/ } sort keys %$samples;
}

sub many {
	my $before = samples();
	my $crowd = crowd(8, 3, sub {
			my ($i, $say) = @_;
			my $user = user($s);
			my $answer = connect_user($s, $user);
			$say->(status => $answer->{status});
			$s->http(POST => '/api/whatsapp/disconnect', token => $user->{token}, json => {}) if $answer->{status} == 200;
		});
	my @said = crowd_end($crowd);
	my $after = samples();
	my $claims = sub { my ($o) = @_; $after->{"wapool_claims_total{outcome=\"$o\"}"} - $before->{"wapool_claims_total{outcome=\"$o\"}"} };
	is $claims->('claimed') + $claims->('empty') + $claims->('own'), scalar(@said), scalar(@said) . ' clicks, as many claims';
	is $claims->('empty'), scalar(grep { $_->{status} == 503 } @said), 'of which as many were told to come back';
	# at one moment: the helper fills the pool again
	is $s->psql_value(q{SELECT sum(n) - (SELECT count(*) FROM instances) FROM counters WHERE family = 'instances'}), 0, 'no instance is counted twice';
	return;
}

# Once nothing is made or emptied any more, and the gateway has told all that it had to tell of that: also of sessions
# whose names are gone.
sub all_quiet {
	return wait_pool($s) && wait_until(30, sub { (sim($s, GET => '/_sim/stats'))[1]{webhooks}{pending} == 0 });
}

sub webhooks {
	ok all_quiet(), 'no other webhook is under way';
	my $body = webhook_body(id => 'evt_metrics', event => 'message', session => 'nobody', payload => { body => 'oi' });
	my $before = samples();
	is webhook_post($s, $body)->{status}, 200, 'stored';
	is webhook_post($s, $body)->{status}, 200, 'again';
	my $server = $s->psql_value('SELECT id FROM waha_servers');
	is webhook_post($s, $body, secret => 'wrong')->{status}, 401, 'refused' for 1 .. 3;
	my $after = samples();
	my $grew = sub { my ($o) = @_; $after->{"wapool_webhooks_total{outcome=\"$o\"}"} - $before->{"wapool_webhooks_total{outcome=\"$o\"}"} };
	is $grew->('unknown-session'), 1, 'one of a session that nobody knows';
	is $grew->('duplicate'), 1, 'one duplicate';
	cmp_ok $grew->('refused'), '>=', 1, 'the first refusal is written at once';
	$s->restart_responder('webhook');
	is value('wapool_webhooks_total{outcome="refused"}') - $before->{'wapool_webhooks_total{outcome="refused"}'}, 3,
		'the others when the process ends, at the latest';
	return;
}

sub labels {
	my $ana = user($s);
	my $name = link_user($s, $ana, '5511977776666') or return fail('a phone connects');
	$s->psql(q{UPDATE waha_servers SET nome = 'nome-secreto'});
	my $text = scrape()->{body};
	for my $what ($ana->{id}, $name, '5511977776666', 'Ana', 'nome-secreto', $s->sim_url, $s->sim_key, split /\n/, `hostname`) {
		is index($text, $what), -1, "not $what";
	}
	my %names = map { ($_ => 1) } $text =~ /[{,](\w+)="/g;
	is_deeply [sort keys %names], [sort qw(version lifecycle health from to outcome reason step le owner server kind state task)],
		'labels are those and no others';
	$s->psql("INSERT INTO alarms (kind, server_id, reason) SELECT 'sessions', id, 'most are missing' FROM waha_servers LIMIT 1");
	is value('wapool_alarms{kind="sessions",owner="platform"}'), 1, 'an alarm at the platform\'s server';
	$s->psql('UPDATE waha_servers SET user_id = (SELECT id FROM users LIMIT 1) WHERE id IN (SELECT server_id FROM alarms)');
	is value('wapool_alarms{kind="sessions",owner="user"}'), 1, 'at a user\'s: told apart, not whose';
	is value('wapool_alarms{kind="sessions",owner="platform"}'), 0, 'and not as the platform\'s';
	$s->psql('UPDATE waha_servers SET user_id = NULL WHERE id IN (SELECT server_id FROM alarms)');
	$s->psql('DELETE FROM alarms');
	return;
}

# --- Survival ---

sub survival {
	my $claimed = value('wapool_claims_total{outcome="claimed"}');
	my $releases = value('wapool_releases_total{reason="user"}');
	$s->psql('DELETE FROM instance_events');
	$s->restart_responder($_) for qw(connect metrics);
	# a backend lives for a moment longer than who has left it
	my $left = q{SELECT count(*) FROM counters WHERE shard NOT IN (SELECT pid FROM pg_stat_activity) AND shard <> 0};
	ok wait_until(30, sub { $s->maintain('prune'); $s->psql_value($left) == 0 }), 'nothing of connections that are gone is left over';
	is value('wapool_claims_total{outcome="claimed"}'), $claimed, 'restarts, folding and pruning take nothing away';
	is value('wapool_releases_total{reason="user"}'), $releases, 'nor from what the trail told';
	my $claims = sub { value('wapool_claims_total{outcome="claimed"}') + value('wapool_claims_total{outcome="empty"}') };
	my $before = $claims->();
	my ($status, $output) = cgi(user($s)->{token});
	like $output, qr/^Status: (200|503|504)/m, 'a CGI process connects somebody' or diag $output;
	is $claims->() - $before, 1, 'and is counted';
	return;
}

sub cgi {
	my ($token) = @_;
	return run_program(['./connect'], dir => "$s->{build}/handlers", stdin => '{}', env => { %{ $s->environment },
			REQUEST_METHOD => 'POST', DOCUMENT_URI => '/api/whatsapp/connect', CONTENT_TYPE => 'application/json',
			CONTENT_LENGTH => 2, HTTP_AUTHORIZATION => "Bearer $token", GATEWAY_INTERFACE => 'CGI/1.1' });
}

# --- Access ---

sub access {
	is scrape()->{status}, 200, 'this machine may';
	my $allow = "$s->{var}/nginx/wapool/wapool-metrics-allow.conf";
	my $was = slurp($allow);
	spew($allow, $was =~ s/^allow.*\n//mgr, 0644);
	$s->group('nginx')->signal('HUP');
	my $refused;
	ok wait_until(10, sub { ($refused = scrape('Accept-Language' => 'en'))->{status} == 403 }), 'an address that is not on the list may not';
	is $refused->{headers}{'content-type'}, 'application/problem+json', 'in the form of every error';
	is $refused->{json}{type}, 'urn:wapool:problem:forbidden', 'forbidden';
	is $refused->{json}{instance}, '/metrics', 'and where';
	unlike $refused->{body}, qr/wapool_/, 'without a number';
	spew($allow, $was, 0644);
	$s->group('nginx')->signal('HUP');
	ok wait_until(10, sub { scrape()->{status} == 200 }), 'and again it may';
	# another worker of nginx may take this, one that is about to leave with what it was told before
	ok wait_until(10, sub { $s->http(POST => '/metrics', json => {})->{status} == 405 }), 'POST is no way to read';
	return;
}

# --- Rules and dashboard ---

sub rules {
	my $rules = "$s->{root}/docs/prometheus/wapool.rules.yml";
	my ($status, $said) = run_program(['promtool', 'check', 'rules', $rules]);
	is $status, 0, 'promtool takes them' or diag $said;
	($status, $said) = run_program(['promtool', 'test', 'rules', "$s->{root}/t/prometheus/wapool.test.yml"]);
	is $status, 0, 'each alert comes when it should, and not before' or diag $said;
	my %alert = map { ($_ => 1) } slurp($rules) =~ /- alert: (\w+)/g;
	my $tests = slurp("$s->{root}/t/prometheus/wapool.test.yml");
	ok $tests =~ /"?$_"?/, "$_ is tested" for sort keys %alert;
	my $page = slurp("$s->{root}/docs/monitoring.md");
	ok $page =~ /`$_`/, "docs/monitoring.md: what to do about $_" for sort keys %alert;
	return;
}

# Expressions of the dashboard and of the rules.
sub expressions {
	my $dashboard = JSON::PP->new->utf8->decode(slurp("$s->{root}/docs/grafana/wapool.json"));
	my @panels = map { ($_, @{ $_->{panels} || [] }) } @{ $dashboard->{panels} };
	my @targets = map { @{ $_->{targets} || [] } } @panels;
	cmp_ok scalar @targets, '>', 20, scalar(@targets) . ' queries on the dashboard';
	my %id;
	$id{ $_->{id} }++ for @panels;
	is_deeply [grep { $_ > 1 } values %id], [], 'each panel has its own id';
	return ((map { $_->{expr} } @targets), split /- alert:/, slurp("$s->{root}/docs/prometheus/wapool.rules.yml"));
}

sub queries {
	my %labels = (up => {});    # name => {label => 1}, as a scrape shows them
	for (keys %{ samples() }) {
		my ($name, $inside) = /\A(\w+)(?:\{(.*)\})?\z/;
		$labels{$name}{$_} = 1 for 'job', 'instance', ($inside // '') =~ /(\w+)="/g;
	}
	my (%unknown, %used);
	for my $expression (expressions()) {
		$expression =~ s/^\s*(?:summary|description):.*$//mg;
		while ($expression =~ /\b(wapool_\w+)(?:\{([^}]*)\})?/g) {
			my ($name, $matchers) = ($1, $2 // '');
			$used{$name} = 1;
			$unknown{$name} = 1 unless $labels{$name};
			$labels{$name}{$_} or $unknown{"$name\{$_}"} = 1 for $matchers =~ /(\w+)\s*(?:=~|!~|!=|=)/g;
		}
	}
	is_deeply [sort keys %unknown], [], 'no name or label that /metrics does not have';
	my $page = slurp("$s->{root}/docs/monitoring.md");
	my @undocumented = grep { $page !~ /`$_`/ } grep { !/_(?:bucket|sum|count)\z/ } grep { /\Awapool_/ } sort keys %labels;
	is_deeply \@undocumented, [], 'every family is in docs/monitoring.md';
	return;
}

sub database_away {
	$s->stop_postgres;
	my $answer = scrape();
	is $answer->{status}, 503, 'a scrape fails, and is not empty';
	is $answer->{json}{type}, 'urn:wapool:problem:unavailable', 'unavailable';
	return;
}
