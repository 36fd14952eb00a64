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

use Wapool::Process qw(run_ok spew wait_until);
use Wapool::Stack;

our @EXPORT_OK = qw(stack stock load request webhook_request rounds alternate median ratio measure pick cpu_of quick
	record row note pgbench PASSWORD WEBHOOK_SECRET SEED);

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
	my $file = File::Temp->new;
	print {$file} length($_), "\n", $_ for @$requests;
	$file->flush;
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

# Transactions a second by pgbench of a file, with prepared statements.
sub pgbench {
	my ($s, $file, %opt) = @_;
	my $text = run_ok(['pgbench', '-n', '-M', 'prepared', '-c', $opt{clients} // 16, '-j', 2, '-T', $opt{seconds} // 5,
		'--random-seed', SEED, '-f', $file, $s->database_url]);
	return $text =~ /tps = ([\d.]+)/ ? $1 : croak "pgbench said:\n$text";
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
	return { cpu => $cpu, cores => $cores, memory_mib => int($memory / 1024), kernel => $kernel };
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
	mkdir "$TOP/bench/results";
	spew("$TOP/bench/results/$name.json", $JSON->encode({
		question => $name, command => "bench/run $name" . (quick() ? ' --quick' : ''),
		commit => ($commit // 'unknown') . ($changed ? ' and changes' : ''), machine => machine(), seed => SEED,
		date => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime), seconds => sprintf('%.0f', time - $began) + 0,
		load_average_before => $load_before, table => \@rows, notes => \@notes, data => $data }));
	spew("$TOP/bench/results/$name.svg", $svg) if defined $svg;
	return;
}

1;
