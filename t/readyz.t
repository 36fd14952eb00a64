#!/usr/bin/perl
# GET /readyz: ready is a site whose database can be written, has what this build needs, and whose pool has had something.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/lib";

use Test::More;

use Wapool::Database qw(start_database);
use Wapool::Process qw(slurp);
use Wapool::Stack;

my $s = Wapool::Stack->new;
start_database($s);
$s->start_responders('readyz');
$s->start_nginx;

is_deeply [ask()], [503, 'pool:stocked'], 'nothing was made yet';
sql(q{WITH s AS (INSERT INTO waha_servers (nome, api_url) VALUES ('w', 'http://w.example.org') RETURNING id)
	INSERT INTO instances (name, server_id) SELECT 'a', id FROM s});
is_deeply [ask()], [503, 'pool:stocked'], 'nor is what is only ordered';
sql(q{UPDATE instances SET lifecycle = 'standby', work_token = gen_random_uuid()});
is_deeply [ask()], [200], 'one stands by: ready';

my ($last) = reverse map { /\A([a-z]\w*)/ ? $1 : () } split /\n/, slurp("$s->{root}/migrations/sqitch.plan");
sql("UPDATE sqitch.changes SET change = 'other' WHERE change = '$last'");
is_deeply [ask()], [503, 'database:schema'], "without the plan's last change it is not";
like $s->log_text('readyz'), qr{"event":"schema\.incomplete",.*"missing":"$last"}, 'the log says which';
sql("UPDATE sqitch.changes SET change = '$last' WHERE change = 'other'");
is_deeply [ask()], [200], 'with it, it is';
sql(q{INSERT INTO sqitch.changes (change_id, script_hash, change, project, note, committer_name, committer_email,
	planned_at, planner_name, planner_email) SELECT 'x', 'x', 'of the next version', project, '', '', '', now(), '', ''
	FROM sqitch.changes LIMIT 1});
is_deeply [ask()], [200], 'so it is while the next version is deployed already';

sql('ALTER SCHEMA sqitch RENAME TO elsewhere');
is_deeply [ask()], [503, 'database:schema'], 'where nothing was deployed by sqitch it is not';
sql('ALTER SCHEMA elsewhere RENAME TO sqitch');

$s->stop_postgres;
is_deeply [ask()], [503, 'database:schema', 'database:writable', 'pool:stocked'], 'without a database it knows nothing';
$s->postgres->start;
done_testing;

# The status, and which checks failed.
sub ask {
	my $answer = $s->http(GET => '/readyz', timeout => 5);
	my $checks = $answer->{json}{checks};
	is $answer->{headers}{'content-type'}, 'application/health+json', 'its type';
	return ($answer->{status}, sort grep { $checks->{$_}[0]{status} ne 'pass' } keys %$checks);
}

sub sql {
	my ($status, $output) = $s->postgres->psql_program('wapool', 'wapool', $_[0]);
	die "SQL: $output" if $status != 0;
	return;
}
