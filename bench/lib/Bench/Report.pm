package Bench::Report;

# The figures of bench/results as tables in Markdown: what was aimed at beside what was measured; printed, also every row of
# every question. Nothing is computed here that a question has not measured.

use strict;
use warnings;

use JSON::PP ();

use Wapool::Process qw(slurp spew);

use constant { FROM => "<!-- figures: bench/run --report docs/performance.md -->\n", TO => "<!-- end of figures -->\n" };

# question, what, aimed at, and from its data: the figure, and whether that is what was aimed at.
my @AIMS = (
	[requests => 'my-connection a second, by Express 5 + pg', '3', sub { at_least($_[0]{ratio}{express}, 3) }],
	[requests => 'by Fastify 5 + postgres.js', '1.5', sub { at_least($_[0]{ratio}{fastify}, 1.5) }],
	[requests => 'by an empty responder behind the same nginx', '0.5', sub { at_least($_[0]{ratio}{empty}, 0.5) }],
	[connect => 'connects with a QR, 40 clients', '400/s', sub {
		my $r = $_[0]{agones_shape};
		return (sprintf('%.0f/s', $r->{per_second}), $r->{per_second} >= 400) }],
	[connect => 'instances that two of them got', '0', sub {
		my $r = $_[0]{agones_shape};
		my $bad = $r->{requests} - $r->{distinct};
		return (sprintf('%d of %d', $bad, $r->{requests}), $bad == 0) }],
	[share => 'wapool\'s own share of a connect, 16 clients, a gateway of 300 ms a call: p50', '5 ms', sub { at_most($_[0]{ms}{second}{own}{p50}, 5, 'ms') }],
	[share => 'p99', '50 ms', sub { at_most($_[0]{ms}{second}{own}{p99}, 50, 'ms') }],
	[webhook => 'webhooks verified, stored, answered', '3,000/s', sub {
		my $m = $_[0]{per_second}{wapool};
		return (sprintf('%.0f/s', $m->{median}), $m->{median} >= 3000) }],
	[webhook => 'one of them at 3,000/s, p99', '50 ms', sub { at_most($_[0]{ms_at_3000}{p99}, 50, 'ms') }],
	[webhook => 'lost', '0', sub { ($_[0]{answered} - $_[0]{stored}, $_[0]{answered} == $_[0]{stored}) }],
	[events => 'from stored to the subscriber, 100/s, p95', '1 s', sub { at_most({ median => $_[0]{event_ms}{p95} }, 1000, 'ms') }],
	[tables => 'claim at 1,000,000 instances by that at 1,000', '1.3', sub {
		my ($d) = @_;
		my ($most) = sort { $b <=> $a } keys %{ $d->{ms} };
		my $text = sprintf '%.2f', $d->{claim_ratio};
		return $most == 1_000_000 ? ($text, $d->{claim_ratio} <= 1.3) : ("$text (at $most)", undef) }],
	[sweep => 'a look at 10,000 sessions on 20 servers of 50 ms', '10 s', sub { at_most($_[0]{seconds}, 10, 's') }],
	[footprint => 'memory of all responders and the helper, idle (before and after load: the larger)', '60 MB', sub {
		my ($mb) = sort { $b <=> $a } map { $_ * 1.048576 } @{ $_[0]{total_mib} }{qw(idle after)};
		return (sprintf('%.1f MB', $mb), $mb <= 60) }],
	[restart => 'requests that failed while every responder was replaced', '0', sub {
		return (sprintf('%d of %d', $_[0]{failed}, $_[0]{load}{requests}), $_[0]{failed} == 0) }],
);

sub at_least {
	my ($m, $least) = @_;
	return (sprintf('%.2f', $m->{median}), $m->{median} >= $least);
}

sub at_most {
	my ($m, $most, $unit) = @_;
	return (sprintf($m->{median} >= 100 ? '%.0f %s' : '%.3g %s', $m->{median}, $unit), $m->{median} <= $most);
}

# Question => what it wrote down, of those that were asked.
sub results {
	my ($dir, @questions) = @_;
	return map { $_ => JSON::PP->new->utf8->decode(slurp("$dir/$_.json")) } grep { -e "$dir/$_.json" } @questions;
}

sub aims {
	my (%of) = @_;
	my @lines = ('| what | aimed at | measured | | load before |', '|---|---|---|---|---|');
	for my $aim (@AIMS) {
		my ($question, $what, $want, $read) = @$aim;
		my $result = $of{$question};
		my ($figure, $good) = $result ? $read->($result->{data}) : ('not measured', undef);
		push @lines, sprintf '| %s | %s | %s | %s | %s |', $what, $want, $figure,
			$result && defined $good ? ($good ? 'met' : 'missed') : '', $result ? sprintf('%.1f', $result->{load_average_before}) : '';
	}
	return @lines;
}

sub all_rows {
	my ($questions, %of) = @_;
	my @lines;
	for my $question (grep { $of{$_} } @$questions) {
		my $r = $of{$question};
		push @lines, '', sprintf('**%s** (`%s`, %s, commit %s, load before %.1f, %d s)', $question, $r->{command}, substr($r->{date}, 0, 10),
			$r->{commit}, $r->{load_average_before}, $r->{seconds}), '', '| | | |', '|---|---|---|';
		push @lines, map { '| ' . join(' | ', map { s/\A\s+//r =~ s/\|/\\|/gr } @$_) . ' |' } @{ $r->{table} };
	}
	return @lines;
}

sub text {
	my ($dir, $questions, $all) = @_;
	my %of = results($dir, @$questions);
	my ($any) = map { $of{$_} } grep { $of{$_} } @$questions;
	die "no results in $dir: ask a question first\n" unless $any;
	my $m = $any->{machine};
	return join "\n", "On $m->{cores} cores ($m->{cpu}), $m->{memory_mib} MiB, Linux $m->{kernel}. Each row names the load average before its question began.",
		'', aims(%of), $all ? all_rows($questions, %of) : (), '', '';
}

sub main {
	my ($dir, $questions, $file) = @_;
	my $text = text($dir, $questions, !defined $file);
	unless (defined $file) {
		print $text;
		return 0;
	}
	my $old = slurp($file);
	my ($from, $to) = (index($old, FROM), index($old, TO));
	die "$file has no place for figures\n" if $from < 0 || $to < $from;
	spew($file, substr($old, 0, $from + length FROM) . $text . substr($old, $to));
	return 0;
}

1;
