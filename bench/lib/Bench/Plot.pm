package Bench::Plot;

# Plots as SVG text: bars with their spread, and lines over a logarithmic x.

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max min);

our @EXPORT_OK = qw(bars lines);

# Each apart from the others, also for who sees few colours, and dark enough for words on white.
my @COLOURS = ('#0b7a75', '#c0392b', '#a86b00', '#1f5fa8', '#6a4c93', '#333333', '#d6468f', '#4f8a10');

sub escaped {
	my ($text) = @_;
	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	return $text;
}

sub svg {
	my ($width, $height, $title, @parts) = @_;
	return join "\n",
		qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height" font-family="sans-serif" font-size="13">},
		qq{<rect width="$width" height="$height" fill="#fff"/>}, text(16, 26, $title, 'font-size="15" font-weight="bold"'),
		@parts, "</svg>\n";
}

sub text {
	my ($x, $y, $text, $attributes) = @_;
	return sprintf '<text x="%.1f" y="%.1f" %s>%s</text>', $x, $y, $attributes // '', escaped($text);
}

# A number in few digits.
sub short {
	my ($n) = @_;
	return sprintf '%.0fk', $n / 1000 if $n >= 10_000;
	return sprintf $n >= 100 ? '%.0f' : $n >= 1 ? '%.3g' : '%.2g', $n;
}

# A plot with lines of small print beneath it: where it comes from.
sub signed {
	my ($svg, @lines) = @_;
	my ($width, $height) = $svg =~ /viewBox="0 0 (\d+) (\d+)"/ or die "no plot\n";
	my @print = map { wrapped($_, ($width - 32) / 5.7) } @lines;
	my $grown = $height + 16 * @print + 8;
	my $print = join '', map { text(16, $height + 4 + 16 * $_, $print[$_], 'font-size="11" fill="#555"') . "\n" } 0 .. $#print;
	return $svg =~ s/viewBox="0 0 \d+ \d+"/viewBox="0 0 $width $grown"/r =~ s/(<rect width="\d+" height=")\d+/$1$grown/r
		=~ s{</svg>}{$print</svg>}r;
}

# A line as lines of so many characters at most, broken between words where it can be.
sub wrapped {
	my ($line, $most) = @_;
	$most = int $most;
	return map { s/\s+\z//r } $line =~ /(\S.{0,$most}(?=\s|\z)|\S{1,$most})/g;
}

# title, unit, then [label, {median, min, max}] each.
sub bars {
	my ($title, $unit, @bars) = @_;
	my ($left, $wide) = (max(226, map { 24 + 7 * length $_->[0] } @bars), 250);    # 7: of a letter, about
	my $most = max(map { $_->[1]{max} } @bars) || 1;
	my @parts;
	for my $i (0 .. $#bars) {
		my ($label, $m) = @{ $bars[$i] };
		my ($y, @x) = (44 + 34 * $i, map { $left + $wide * $_ / $most } @$m{qw(median min max)});
		push @parts, text($left - 8, $y + 17, $label, 'text-anchor="end"'),
			sprintf('<rect x="%d" y="%d" width="%.1f" height="24" fill="%s"/>', $left, $y, $x[0] - $left, $COLOURS[0]),
			sprintf('<path d="M%.1f %dV%dM%.1f %dH%.1f" stroke="#222" fill="none"/>', $x[1], $y + 6, $y + 18, $x[1],
				$y + 12, $x[2]),
			text($x[2] + 8, $y + 17, short($m->{median}) . " $unit");
	}
	return svg($left + $wide + 110, 60 + 34 * @bars, $title, @parts);
}

# The powers of ten that span those values.
sub decades {
	my @values = grep { $_ > 0 } @_;
	my ($low, $high) = map { log($_) / log(10) } min(@values), max(@values);
	my ($first, $last) = (POSIX::floor($low), POSIX::ceil($high));
	return ($first, $last == $first ? $last + 1 : $last);
}

# title, names of the axes, then [label, [[x, y], …]] each, where y is {median, min, max}. Both axes are logarithmic.
sub lines {
	my ($title, $x_name, $y_name, @lines) = @_;
	require POSIX;
	my ($left, $top, $wide, $high) = (60, 70, 390, 280);
	my ($x0, $x1) = decades(map { map { $_->[0] } @{ $_->[1] } } @lines);
	my ($y0, $y1) = decades(map { map { @{ $_->[1] }{qw(min max)} } @{ $_->[1] } } @lines);
	my $x_of = sub { $left + $wide * (log($_[0]) / log(10) - $x0) / ($x1 - $x0) };
	my $y_of = sub { $top + $high * (1 - (log($_[0]) / log(10) - $y0) / ($y1 - $y0)) };
	my @parts = qq{<path d="M$left ${top}V${\ ($top + $high)}H${\ ($left + $wide)}" stroke="#222" fill="none"/>};
	for my $p ($x0 .. $x1) {
		push @parts, text($x_of->(10**$p), $top + $high + 20, short(10**$p), 'text-anchor="middle"');
	}
	for my $p ($y0 .. $y1) {
		push @parts, text($left - 8, $y_of->(10**$p) + 4, short(10**$p), 'text-anchor="end"'),
			sprintf '<path d="M%d %.1fh%d" stroke="#ddd"/>', $left, $y_of->(10**$p), $wide;
	}
	push @parts, text($left + $wide / 2, $top + $high + 44, $x_name, 'text-anchor="middle"'), text(16, $top - 16, $y_name);
	for my $i (0 .. $#lines) {
		my ($label, $points) = @{ $lines[$i] };
		my $colour = $COLOURS[ $i % @COLOURS ];
		my @known = grep { $_->[0] > 0 && $_->[1]{min} > 0 } @$points;
		my @at = map { [$x_of->($_->[0]), $y_of->($_->[1]{median})] } @known;
		push @parts, sprintf('<polyline points="%s" stroke="%s" stroke-width="2" fill="none"/>',
			join(' ', map { sprintf '%.1f,%.1f', @$_ } @at), $colour),
			(map { sprintf '<path d="M%.1f %.1fV%.1f" stroke="%s"/>', $x_of->($_->[0]), (map { $y_of->($_) } @{ $_->[1] }{qw(min max)}), $colour } @known),
			(map { sprintf '<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>', @$_, $colour } @at),
			text($left + $wide + 16, $top + 20 * $i + 12, $label, qq{fill="$colour"});
	}
	return svg($left + $wide + 136, $top + $high + 60, $title, @parts);
}

1;
