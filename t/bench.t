#!/usr/bin/perl
# The benchmarks' own ground: medians, ratios, what is written down, the report, and the client that measures. No
# benchmark is run, and no time asserted.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../run/lib", "$FindBin::Bin/../bench/lib";

use File::Temp ();
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Test::More;

use Bench ();
use Bench::Peers ();
use Bench::Plot qw(bars lines);
use Bench::Report ();
use Wapool::Process qw(run_ok run_program slurp spew);

my $root = "$FindBin::Bin/..";
my $dir  = File::Temp->newdir;

subtest 'numbers'                                => \&numbers;
subtest 'runs alternate'                         => \&alternation;
subtest 'every question is asked by bench/run'   => \&questions;
subtest 'plots are well-formed, whatever the figures' => \&plots;
subtest 'the report'                             => \&report;
subtest 'bench-load counts what it was answered' => \&load;
subtest 'bench-load takes nothing for an answer that is none' => \&answers;
subtest 'wrk sends the same requests' => \&wrk_requests;
subtest 'pgbench is given the peers\' statements' => \&statements;
subtest 'bench-load says what is wrong with what it was given' => \&load_options;
done_testing;

sub numbers {
	is Bench::median(3, 1, 2), 2, 'the median';
	is Bench::median(1, 10, 9, 8), 9, '... of an even number is one that was measured';
	is_deeply Bench::measure(3, 1, 2), { median => 2, min => 1, max => 3, runs => [3, 1, 2] }, 'a measure keeps every run';
	is Bench::ratio([10, 30, 20], [10, 10, 10])->{median}, 2, 'a ratio is that of runs beside each other';
	is_deeply [map { local $ENV{BENCH_QUICK} = $_; Bench::pick('whole', 'quick') } 0, 1], [qw(whole quick)], 'shorter runs when asked for';
	my $request = Bench::request(POST => '/x', token => 't', json => { a => 1 });
	like $request, qr/\APOST \/x HTTP\/1\.1\r\n/, 'a request';
	like $request, qr/\r\nContent-Length: 7\r\n.*\r\n\r\n\{"a":1\}\z/s, '... with the length of its body';
	return;
}

sub alternation {
	my @order;
	my %got = Bench::alternate(2, one => sub { push @order, 'one'; 1 }, two => sub { push @order, 'two'; 2 });
	is_deeply \@order, [qw(one two one two)], 'in turn';
	is_deeply \%got, { one => [1, 1], two => [2, 2] }, 'each with all its figures';
	return;
}

sub questions {
	my ($status, $output) = run_program([$^X, "$root/bench/run", 'no-such-question']);
	isnt $status, 0, 'one that is none is refused';
	my ($known) = $output =~ /there are (.*)\)/;
	is_deeply [sort split ' ', $known], [sort map { m{([^/]+)\z} } glob "$root/bench/questions/*"], 'it knows them all';
	my $readme = slurp("$root/bench/README");
	like $readme, qr/^      \Q$_\E  /m, "bench/README tells of $_" for split ' ', $known;
	my $list = run_ok([$^X, "$root/bench/run", '--list']);
	like $list, qr/^\Q$_\E +[\d.]+ +[\d.]+$/m, "how long it takes is told: $_" for 'all', split ' ', $known;
	for my $question (split ' ', $known) {
		my ($bad, $said) = run_program([$^X, "-I$root/bench/lib", "-I$root/run/lib", '-c', "$root/bench/questions/$question"]);
		is $bad, 0, "$question compiles" or diag $said;
	}
	return;
}

sub plots {
	my $m = Bench::measure(1, 2, 3);
	for my $svg (bars('a < b & c', '/s', ['one', $m], ['none', Bench::measure(0)]), lines('a < b & c', 'x', 'y', ['l', [map { [$_->[0], Bench::measure($_->[1])] } [1, 10], [1000, 0.5], [10, 0]]]),
		Bench::Plot::signed(bars('a < b & c', 'ms', ['one', $m]), 'x' x 300, 'where < from')) {
		like $svg, qr/a &lt; b &amp; c/, 'texts are escaped';
		my @open;
		for my $tag ($svg =~ /<([^>]*)>/g) {
			push @open, $tag =~ /\A(\w+)/ if $tag !~ m{\A/|/\z};
			is pop @open, $1, "<$tag> ends what was opened last" if $tag =~ m{\A/(\w+)};
		}
		is_deeply \@open, [], 'nothing is left open';
		unlike $svg, qr/nan|inf/i, 'numbers are numbers';
	}
	return;
}

sub report {
	my %result = (question => 'sweep', command => 'bench/run sweep', commit => 'abc', date => '2026-01-01T00:00:00Z', seconds => 3,
		load_average_before => 0.5, machine => { cpu => 'a|b', cores => 2, memory_mib => 1, kernel => 'k' }, notes => [],
		table => [['a look', '0.7 s', 'at most 10 s']], data => { seconds => { median => 0.7 } });
	mkdir "$dir/results";
	spew("$dir/results/sweep.json", JSON::PP::encode_json(\%result));
	my $text = Bench::Report::text("$dir/results", ['requests', 'sweep']);
	like $text, qr/^\| a look at 10,000 .* \| 10 s \| 0\.7 s \| met \| 0\.5 \|$/m, 'what was measured, beside what was aimed at';
	like $text, qr/\| 3 \| not measured \|/, 'what was not measured says so';
	$result{data}{seconds}{median} = 11;
	spew("$dir/results/sweep.json", JSON::PP::encode_json(\%result));
	like +Bench::Report::text("$dir/results", ['sweep']), qr/\| 11 s \| missed \|/, 'what was missed says so';
	my $file = spew("$dir/doc.md", "before\n" . Bench::Report::FROM . "old\n" . Bench::Report::TO . "after\n");
	Bench::Report::main("$dir/results", ['sweep'], $file);
	my $doc = slurp($file);
	like $doc, qr/\Abefore\n.*11 s.*\nafter\n\z/s, 'it takes its place in a document';
	unlike $doc, qr/old/, 'instead of the former one';
	ok -1 < index(slurp("$root/docs/performance.md"), Bench::Report::FROM), 'docs/performance.md has such a place';
	return;
}

# Whole answers of every form, and what is none: each on a connection of its own.
sub answers {
	my %answer = (
		'in chunks' => [200, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n"],
		'without a body' => [204, "\r\n"], 'of no length' => [200, "Content-Length: 0\r\n\r\n"],
		'a length that is none' => [0, "Content-Length: -5\r\n\r\nabcde"], 'a length in words' => [0, "Content-Length: 5 bytes\r\n\r\nabcde"],
		'a chunk of less than nothing' => [0, "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"],
		'a chunk of no length' => [0, "Transfer-Encoding: chunked\r\n\r\nx\r\n"], 'neither length nor chunks' => [0, "\r\nabc"],
		'cut short' => [0, "Content-Length: 9\r\n\r\nabc"]);
	for my $what (sort keys %answer) {
		my ($want, $rest) = @{ $answer{$what} };
		my $status = $want || 200;
		is_deeply answered_with("HTTP/1.1 $status X\r\n$rest"), { $want => 1 }, "an answer $what";
	}
	is_deeply answered_with($_), { 0 => 1 }, 'no answer: ' . (length $_ ? substr $_, 0, 12 : 'an end') for '', "HTTP/1.1 20 X\r\n\r\n", "SSH-2.0-x y\r\n\r\n" . 'x' x 20;
	return;
}

# What bench-load counts whose one request is answered by these bytes, and the end of the connection.
sub answered_with {
	my ($bytes) = @_;
	my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $!\n";
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		local $SIG{PIPE} = 'IGNORE';
		my $client = $server->accept;
		my $line;
		do { $line = <$client> } until !defined $line || $line eq "\r\n";
		print {$client} $bytes;
		close $client;
		$server->accept;    # it opens another, which it needs no more
		sleep 10;
		POSIX::_exit(0);
	}
	local $ENV{WAPOOL_BUILD} = load_program() =~ s{/bench/load\z}{}r;
	my $r = Bench::load({}, [Bench::request(GET => '/')], connections => 1, requests => 1, port => $server->sockport, clear => 1);
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return $r->{statuses};
}

sub statements {
	is Bench::with_values('f($1, $2::int, $1)', ':user', 'NULL'), 'f(:user, NULL::int, :user)', 'values take the places of parameters';
	ok !eval { Bench::with_values('f($2)', 1); 1 }, 'one that is missing is no statement';
	like Bench::Peers::statement('connection'), qr/\ASELECT .*\$1.*\$2/s, 'read from where the peers have them';
	ok !eval { Bench::Peers::statement('none'); 1 }, 'one that they do not have is none';
	return;
}

sub wrk_requests {
	my ($wrk) = grep { -x } map { "$_/wrk" } split /:/, $ENV{PATH};
	ok defined $wrk, 'wrk is here (make deps-test)' or return;
	my @requests = map { Bench::request(GET => "/$_", token => "t$_") } 'a', 'b';
	my ($rate, $sent);
	for (1 .. 10) {    # once, unless the machine pauses for that second
		($rate, $sent) = sent_by_wrk(@requests);
		last if (() = $sent =~ /^GET /mg) >= 4;
	}
	cmp_ok $rate, '>', 0, 'so many a second';
	is substr($sent, index($sent, $requests[0]), length join '', @requests[0, 1, 0]), join('', @requests[0, 1, 0]), 'byte by byte, in turn';
	return;
}

# A second of wrk against a server that keeps what it is sent: (requests a second, what it was sent).
sub sent_by_wrk {
	my (@requests) = @_;
	my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $!\n";
	my $log = spew("$dir/sent", '');
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		local $SIG{PIPE} = 'IGNORE';
		while (my $client = $server->accept) {
			while (defined(my $line = <$client>)) {
				open my $out, '>>', $log;
				print {$out} $line;
				close $out;
				next if $line ne "\r\n";
				print {$client} "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
				$client->flush;
				select undef, undef, undef, 0.01;
			}
		}
	}
	my $rate = Bench::wrk({}, \@requests, connections => 1, seconds => 1, port => $server->sockport, clear => 1);
	kill 'TERM', $pid;
	waitpid $pid, 0;
	return ($rate, slurp($log));
}

# A server that answers 200, 404 and 200 again, each with an id.
sub load {
	my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $!\n";
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		my $client = $server->accept;
		for my $status (200, 404, 200) {
			my $line;
			do { $line = <$client> } until !defined $line || $line eq "\r\n";
			my $body = qq({"name":"@{[ $status == 404 ? 'no' : 'same' ]}"});
			print {$client} "HTTP/1.1 $status X\r\nContent-Length: " . length($body) . "\r\nX-Request-Id: id-$status\r\n\r\n$body";
			$client->flush;
		}
		POSIX::_exit(0);
	}
	my $out = "$dir/each";
	my $build = $ENV{WAPOOL_BUILD} // 'build';
	local $ENV{WAPOOL_BUILD} = $build =~ m{\A/} ? $build : "$root/$build";
	my $r = Bench::load({}, [Bench::request(GET => '/')], connections => 1, requests => 3, port => $server->sockport, clear => 1,
		member => '"name', out => $out);
	waitpid $pid, 0;
	is $r->{requests}, 3, 'three requests';
	is_deeply $r->{statuses}, { 200 => 2, 404 => 1 }, 'by status';
	is $r->{distinct}, 1, 'one value of that member in answers of 200';
	is_deeply [map { join ' ', (split)[0, 1] } split /\n/, slurp($out)], ['id-200 200', 'id-404 404', 'id-200 200'], 'each answer by its id';
	is_deeply [grep { !defined $r->{ms}{$_} } qw(p50 p95 p99 p100)], [], 'percentiles';
	return;
}

# Nothing is taken for a number that is none, and nothing for requests that are cut.
sub load_options {
	my $program = load_program();
	my $good = spew("$dir/good", "3\nabc");
	for (['-c 1x', "1 $good", '-c: "1x"'], ['-c 0', "1 $good", '-c: "0"'], ['-r -1', "1 $good", '-r: "-1"'], ['-d nan', "1 $good", '-d: "nan"'],
		['-n 99999999999999999999', "1 $good", '-n: '], ['', "70000 $good", 'PORT: "70000"']) {
		my ($options, $rest, $said) = @$_;
		my ($status, $output) = run_program([$program, (split ' ', $options), split ' ', $rest]);
		is $status, 2, "$options $rest: refused" =~ s/\Q$dir\E.//r;
		like $output, qr/\Q$said\E.* is not a (?:whole )?number/, 'in words';
	}
	for (['none', '', 'no requests'], ['cut', "9\nabc", 'cut short'], ['negative', "-1\nabc", 'no length'], ['no number', "abc\n", 'no length']) {
		my ($what, $content, $said) = @$_;
		my ($status, $output) = run_program([$program, 1, spew("$dir/bad", $content)]);
		isnt $status, 0, "a file of requests: $what";
		like $output, qr/\Q$said\E/, 'in words';
	}
	my ($status, $output) = run_program([$program, '--help']);
	is $status, 0, '--help';
	like $output, qr/\Ausage: .*^  -r  open loop/ms, 'tells of the options';
	return;
}

sub load_program {
	my $build = $ENV{WAPOOL_BUILD} // 'build';
	return ($build =~ m{\A/} ? $build : "$root/$build") . '/bench/load';
}
