package Bench;

# What the questions of bench/questions share: a stack as one would run it, load on it, medians of runs that
# alternate, and the record of it all: a table for people, bench/results/NAME.json, a plot.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(basename dirname);
use File::Temp ();
use JSON::PP ();
use POSIX qw(strftime);
use Time::HiRes qw(time);

use Bench::Plot ();
use Wapool::Process qw(find_program run_ok run_program spew);
use Wapool::Stack;

our @EXPORT_OK = qw(stack stock sessions load wrk request rounds alternate median ratio measure pick cpu_of quick
	record row note pgbench with_values WEBHOOK_SECRET SEED);

use constant { SEED => 20, WEBHOOK_SECRET => 'a-webhook-secret-of-the-benchmark' };

my $TOP   = abs_path(dirname(abs_path(__FILE__)) . '/../..');
my $JSON  = JSON::PP->new->canonical->pretty;
my $began = time;
my @rows;     # of the table
my @notes;

# BENCH_QUICK=1: fewer, shorter runs.
sub quick { return $ENV{BENCH_QUICK} ? 1 : 0 }

# The first value for a whole run, the second for a quick one.
sub pick { return $_[quick()] }

sub rounds { return pick(5, 3) }

# --- What is measured ---

# A stack with TLS, and PostgreSQL that waits for its disk. The options are Wapool::Stack's.
sub stack {
	my (%opt) = @_;
	my $env = delete $opt{env} || {};
	return Wapool::Stack->new(https_port => 'free', test => 0, env => { WEBHOOK_SECRET => WEBHOOK_SECRET, %$env }, %opt);
}

# Makes n standing by, with the simulator at their gateway. Dies if it takes longer than that many seconds.
sub stock {
	my ($s, $n, $seconds) = @_;
	my $end = time + ($seconds // 300);
	my $free = sub { $s->psql_value(q{SELECT count(*) FROM instances WHERE lifecycle = 'standby'}) };
	until ($free->() >= $n) {
		die "only ${\ $free->()} of $n stand by\n" if time > $end;
		$s->maintain(qw(seal refill recycle));
	}
	return;
}

# A gateway of that name at the simulator with so many sessions, and its row and theirs in the table. They are made there
# directly, and here in bulk: making them is not what is asked. Returns the server's id.
sub sessions {
	my ($s, $name, $n) = @_;
	my $id = $s->psql_value(sprintf "INSERT INTO waha_servers (nome, api_url, api_key, rate_limit, prioridade, max_sessions)"
		. " VALUES ('%s', '%s/s/%s', '%s', 0, 5, %d) RETURNING id", $name, $s->sim_url, $name, $s->sim_key, $n);
	my $pool = $s->psql_value('SELECT id FROM installation');
	my @requests = map { request(POST => "/s/$name/api/sessions", headers => { 'X-Api-Key' => $s->sim_key }, json => {
		name => "pool-1-$name-$_", start => JSON::PP::false,
		config => { metadata => { 'wapool.generation' => '1', 'wapool.id' => $pool }, webhooks => [] } }) } 1 .. $n;
	my $r = load($s, \@requests, connections => 4, requests => $n, port => $s->{sim_port}, clear => 1);
	die "$r->{statuses}{201} of $n sessions made\n" if ($r->{statuses}{201} // 0) != $n;
	$s->psql("INSERT INTO instances (name, server_id, lifecycle, status, generation)"
		. " SELECT 'pool-1-$name-' || g, '$id', 'standby', 'STOPPED', 1 FROM generate_series(1, $n) g");
	return $id;
}

# --- Load ---

# One request as bytes. token, json or body, headers => {…}
sub request {
	my ($method, $path, %opt) = @_;
	my %header = (Host => 'localhost', %{ $opt{headers} || {} });
	my $body = $opt{body} // '';
	if (exists $opt{json}) {
		$body = JSON::PP->new->utf8->canonical->encode($opt{json});
		$header{'Content-Type'} = 'application/json';
	}
	$header{Authorization} = "Bearer $opt{token}" if defined $opt{token};
	$header{'Content-Length'} = length $body if $method ne 'GET';
	return join "\r\n", "$method $path HTTP/1.1", (map { "$_: $header{$_}" } sort keys %header), '', $body;
}

# Sends requests (bytes, in their order, again and again) and returns what bench-load measured.
#   connections, seconds or requests (a number of them), warmup (s), rate (a second: open loop), seed,
#   member (counts its different values), out (a file: request id, status, microseconds of each), port (default: the stack's HTTPS), clear => 1
sub load {
	my ($s, $requests, %opt) = @_;
	my $file = written($requests);
	my $build = $ENV{WAPOOL_BUILD} // 'build';
	my $program = $build =~ m{\A/} ? "$build/bench/load" : "$TOP/$build/bench/load";
	my @argv = ($program, '-c', $opt{connections} // 16, '-s', $opt{seed} // SEED);
	push @argv, '-r', $opt{rate}     if $opt{rate};
	push @argv, '-d', $opt{seconds}  if $opt{seconds};
	push @argv, '-n', $opt{requests} if $opt{requests};
	push @argv, '-w', $opt{warmup}   if $opt{warmup};
	push @argv, '-m', $opt{member}   if $opt{member};
	push @argv, '-o', $opt{out}      if $opt{out};
	push @argv, '-p' if $opt{clear};
	my $text = run_ok([@argv, $opt{port} // $s->{https_port}, $file->filename]);
	return JSON::PP->new->decode($text);
}

# Requests in a file as bench-load reads them.
sub written {
	my ($requests) = @_;
	my $file = File::Temp->new;
	print {$file} length($_), "\n", $_ for @$requests;
	$file->flush;
	return $file;
}

# The same requests a second by wrk, a client that is not ours: connections, seconds, port, clear as those of load.
sub wrk {
	my ($s, $requests, %opt) = @_;
	my $file = written($requests);
	my $url  = sprintf '%s://127.0.0.1:%d/', $opt{clear} ? 'http' : 'https', $opt{port} // $s->{https_port};
	my $text = run_ok([find_program('wrk'), '-t', 1, '-c', $opt{connections} // 16, '-d', ($opt{seconds} // 5) . 's',
		'-s', "$TOP/bench/load/wrk.lua", $url, '--', $file->filename]);
	croak "wrk said:\n$text" if $text =~ /^\s*(?:Non-2xx|Socket errors)/m;
	return $text =~ m{^Requests/sec:\s+([\d.]+)}m ? $1 : croak "wrk said:\n$text";
}

# Transactions a second by pgbench of a file, with prepared statements: clients, seconds or transactions (a number that
# each client does), set => {variable => value}
sub pgbench {
	my ($s, $file, %opt) = @_;
	my $set = $opt{set} || {};
	my $text = run_ok(['pgbench', '-n', '-M', 'prepared', '-c', $opt{clients} // 16, '-j', 2,
		$opt{transactions} ? ('-t', $opt{transactions}) : ('-T', $opt{seconds} // 5),
		(map { ('-D', "$_=$set->{$_}") } sort keys %$set), '--random-seed', SEED, '-f', $file, $s->database_url]);
	croak "pgbench said:\n$text" if $text =~ /^number of failed transactions: [1-9]/m;
	return $text =~ /tps = ([\d.]+)/ ? $1 : croak "pgbench said:\n$text";
}

# A statement with values instead of $1, $2, …: constants, or variables of pgbench, which it sends as parameters again.
sub with_values {
	my ($statement, @values) = @_;
	return $statement =~ s{\$(\d+)}{$values[$1 - 1] // croak "no value for \$$1"}ger;
}

# Seconds of processor that those processes have used so far (PostgreSQL's include its ended ones).
sub cpu_of {
	my (@pids) = @_;
	my $ticks = 0;
	for my $pid (@pids) {
		open my $in, '<', "/proc/$pid/stat" or next;
		my @field = split ' ', (<$in> =~ /.*\) (.*)/)[0];
		$ticks += $field[11] + $field[12] + $field[13] + $field[14];
	}
	return $ticks / 100;
}

# --- Numbers ---

sub median {
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[@sorted / 2];
}

# Runs each of the subs in turn, so many rounds: (name => [what it returned each time], …). The order is
# that of the arguments; they share whatever else happens on the machine.
sub alternate {
	my ($rounds, @pairs) = @_;
	my %got;
	for my $round (1 .. $rounds) {
		for (my $i = 0; $i < @pairs; $i += 2) {
			push @{ $got{ $pairs[$i] } }, $pairs[ $i + 1 ]->();
		}
	}
	return %got;
}

# The median of a list of numbers and how far they lie apart: {median, min, max, runs}.
sub measure {
	my @sorted = sort { $a <=> $b } @_;
	return { median => median(@_), min => $sorted[0], max => $sorted[-1], runs => [@_] };
}

# The median of the quotients of runs that stood beside each other.
sub ratio {
	my ($above, $below) = @_;
	return measure(map { $above->[$_] / $below->[$_] } 0 .. $#$above);
}

# --- The record ---

# A row of the table: what, a number as text, and what it means.
sub row {
	my ($what, $figure, $more) = @_;
	push @rows, [$what, $figure, $more // ''];
	printf "  %-58s %14s  %s\n", $what, $figure, $more // '';
	return;
}

sub note {
	my ($text) = @_;
	push @notes, $text;
	print "  $text\n";
	return;
}

sub machine {
	my ($cpu)    = `grep -m1 'model name' /proc/cpuinfo` =~ /: (.*)/;
	my ($cores)  = `nproc` =~ /(\d+)/;
	my ($memory) = `grep MemTotal /proc/meminfo` =~ /(\d+)/;
	my ($kernel) = `uname -r` =~ /(\S+)/;
	return { cpu => $cpu, cores => 0 + $cores, memory_mib => int($memory / 1024), kernel => $kernel, software => software() };
}

# The versions of what runs beside us, as they tell them.
sub software {
	my %ask = (PostgreSQL => ['psql', '--version'], nginx => ['nginx', '-v'], OpenSSL => ['openssl', 'version'], node => ['node', '--version'],
		gcc => ['cc', '-dumpfullversion']);
	return { map { my ($said) = eval { (run_program([find_program($ask{$_}[0]), $ask{$_}[1]]))[1] } // ''; my ($version) = $said =~ /(\d+(?:\.\d+)+)/;
		($_ => $version // 'none') } keys %ask };
}

sub load_average {
	open my $in, '<', '/proc/loadavg' or return;
	return 0 + (split ' ', <$in>)[0];
}

my $load_before = load_average();

# Writes bench/results/NAME.json and, if there is a plot (an SVG as text), NAME.svg; NAME is the question's.
sub record {
	my ($data, $svg) = @_;
	my $name = basename($0);
	my ($commit) = `git -C $TOP rev-parse --short HEAD 2>/dev/null` =~ /(\S+)/;
	my $changed  = `git -C $TOP status --porcelain --untracked-files=no -- lib handlers maintain migrations nginx 2>/dev/null`;
	my %told = (question => $name, command => 'bench/run ' . (quick() ? '--quick ' : '') . $name,
		commit => ($commit // 'unknown') . ($changed ? ' and changes' : ''), machine => machine(), seed => SEED,
		date => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime), load_average_before => $load_before);
	my $dir = $ENV{BENCH_RESULTS} // "$TOP/bench/results";
	mkdir $dir;
	spew("$dir/$name.json", $JSON->encode({ %told, seconds => sprintf('%.0f', time - $began) + 0,
		table => \@rows, notes => \@notes, data => $data }));
	spew("$dir/$name.svg", Bench::Plot::signed($svg, origin(%told))) if defined $svg;
	return;
}

# Where figures come from, in two lines for beneath a plot.
sub origin {
	my (%told) = @_;
	my $m = $told{machine};
	return ("$m->{cores} cores ($m->{cpu}), $m->{memory_mib} MiB, Linux $m->{kernel}; load average before: $told{load_average_before}",
		"$told{command} at commit $told{commit}, seed $told{seed}, " . substr($told{date}, 0, 10) . '. Medians; the thin lines reach from the least run to the greatest.');
}

1;
