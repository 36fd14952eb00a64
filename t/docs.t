#!/usr/bin/perl
# The documents against the code: settings, packages, routes, problem codes, files, links, manual pages.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use FindBin;
use JSON::PP ();
use Test::More;

my $root  = abs_path("$FindBin::Bin/..");
my $build = $ENV{WAPOOL_BUILD} // 'build';
$build = "$root/$build" unless $build =~ m{\A/};

subtest 'settings'                                => \&settings;
subtest 'INSTALL has a reason for every package'  => \&packages;
subtest 'npm packages for the tests'              => \&npm_packages;
subtest 'routes'                                  => \&routes;
subtest 'problem codes'                           => \&problems;
subtest 'lib/README names every file'             => \&lib_readme;
subtest 'the numbers of INSTALL'                  => \&sizes;
subtest 'links lead somewhere'                    => \&links;
subtest 'manual pages'                            => \&manual_pages;
subtest 'no transaction is open across a gateway' => \&transactions;
done_testing;

sub slurp {
	my ($file) = @_;
	open my $in, '<:encoding(UTF-8)', "$root/$file" or die "$file: $!\n";
	local $/ = undef;
	return scalar <$in>;
}

# Files by a pattern, as paths from the top.
sub files {
	my (@patterns) = @_;
	return map { s{\A\Q$root\E/}{}r } map { glob "$root/$_" } @patterns;
}

# Two lists as sets; tells what is missing on which side.
sub same_set {
	my ($got, $want, $what) = @_;
	return is_deeply [uniq(@$got)], [uniq(@$want)], $what;
}

sub uniq {
	my %seen = map { $_ => 1 } @_;
	return sort keys %seen;
}

sub output_of {
	my (@command) = @_;
	open my $out, '-|', @command or die "$command[0]: $!\n";
	local $/ = undef;
	return scalar <$out> // '';
}

# --- Settings ---

# name => default, as wapoolctl prints them.
sub settings_of_program {
	my ($alias, %default);
	for (split /\n/, output_of("$build/wapoolctl", 'config')) {
		next unless /\A([A-Z][A-Z0-9_]*)(?:, or ([A-Z_]+))?  \[(.*)\]\z/;
		$default{$1} = $3;
		$alias->{$1} = $2 if defined $2;
	}
	return ($alias, %default);
}

sub settings {
	my ($alias, %want) = settings_of_program();
	cmp_ok scalar keys %want, '>', 20, 'wapoolctl config lists settings';

	my $page = slurp('docs/configuration.md');
	my %documented;
	while ($page =~ /^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`|\x{2013}) \|/mg) {
		$documented{$1} = $2 // '';
	}
	is_deeply \%documented, \%want, 'docs/configuration.md: names and defaults';
	like $page, qr/`\Q$alias->{$_}\E`/, "docs/configuration.md: $alias->{$_}" for sort keys %$alias;

	my %ranges = slurp('lib/config.c') =~
		/\{"([A-Z0-9_]+)",\s*(?:NULL|"\w+"),\s*NUMBER,\s*AT\(\w+\),\s*"[0-9]+",\s*([0-9]+,\s*[0-9]+),/g;
	for my $name (sort keys %ranges) {
		my ($from, $to) = split /,\s*/, $ranges{$name};
		like $page, qr/^\| `$name` \| `[0-9]+` \| $from to $to \|/m, "docs/configuration.md: $name is $from to $to";
	}

	my %sample = slurp('docs/systemd/wapool.env') =~ /^#?([A-Z][A-Z0-9_]*)=(.*)$/mg;
	is_deeply \%sample, \%want, 'docs/systemd/wapool.env: names and defaults';
	return;
}

# --- Packages ---

sub packages {
	my $makefile = slurp('GNUmakefile') =~ s/\\\n/ /gr;
	my @packages = uniq(map { split ' ' } $makefile =~ /^DEPS_[A-Z]+\s*=(.*)$/mg);
	cmp_ok scalar @packages, '>', 10, 'packages are found';
	my $install = slurp('INSTALL');
	like $install, qr/^    \Q$_\E\s+(?:\* ?)?\S/m, $_ for @packages;
	my ($section) = $install =~ /^1\. What it needs\n-+\n(.*?)^2\. /ms;
	same_set([grep { !/:/ } $section =~ /^    ([a-z][a-z0-9.+-]+)  /mg], \@packages, 'and no others');
	return;
}

# The lock file serves everywhere: each package by its hash, from whatever registry npm is set to.
sub npm_packages {
	my $want = JSON::PP->new->decode(slurp('t/browser/package.json'));
	my $lock = JSON::PP->new->decode(slurp('t/browser/package-lock.json'));
	my %package = map { s{\A.*node_modules/}{}r => $lock->{packages}{$_} } grep { $_ ne '' } keys %{ $lock->{packages} };
	cmp_ok scalar keys %package, '>', 5, 'packages are locked';
	is_deeply $lock->{packages}{''}{devDependencies}, $want->{devDependencies}, 'those that are asked for';
	ok !$want->{dependencies}, 'all of them for development only';
	is_deeply [grep { ($package{$_}{integrity} // '') !~ /\Asha512-/ } sort keys %package], [], 'each has its hash';
	is_deeply [grep { exists $package{$_}{resolved} } sort keys %package], [], 'none names a host';
	is_deeply [grep { $package{$_}{hasInstallScript} } sort keys %package], [], 'none wants to run a script';
	like slurp('INSTALL'), qr/\b(?i:\Q$_\E)\b/, "INSTALL: $_" for grep { !/\A(?:htm|react-dom)\z/ } keys %{ $want->{devDependencies} };
	return;
}

# --- Routes ---

# "METHOD path" of every handler's table.
sub routes_of_handlers {
	return uniq(map {
		my $text = slurp($_);
		my %name = $text =~ /^#define (\w+) "(\/[^"]*)"/mg;
		my @found;
		push @found, "$1 " . ($2 // $name{$3} // "$_: $3")
			while $text =~ /^\t\{"([A-Z]+)", (?:"([^"]+)"|(\w+)), /mg;
		@found ? @found : "$_: no route";
	} files('handlers/*.c'));
}

sub routes {
	my @want = routes_of_handlers();
	cmp_ok scalar @want, '>', 5, 'handlers have routes';

	push @want, 'GET /openapi.yaml';    # a file, nginx's own
	my ($path, @openapi);
	my ($paths) = slurp('docs/openapi.yaml') =~ /^paths:\n(.*?)^components:/ms;
	for (split /\n/, $paths) {
		$path = $1 if m{\A  (/\S*):\z};
		push @openapi, uc($1) . " $path" if /\A    (get|post|put|patch|delete):\z/;
	}
	same_set(\@openapi, \@want, 'docs/openapi.yaml');
	same_set([slurp('docs/api.md') =~ m{^## ([A-Z]+ /\S*)$}mg], \@want, 'docs/api.md');

	my ($version) = slurp('GNUmakefile') =~ /^VERSION\s*=\s*(\S+)$/m;
	like slurp('docs/openapi.yaml'), qr/^  version: \Q$version\E$/m, 'docs/openapi.yaml: the version';

	my ($table) = slurp('README.md') =~ /^## The API\n(.*?)^## /ms;
	my @rows = map { /\A\| (`[^|]+`) \|/ ? $1 : () } split /\n/, $table;
	same_set([map { /`([A-Z]+ \/[^`]*)`/g } @rows], \@want, 'README.md');

	# nginx knows paths, the responders methods
	my $server = slurp('nginx/wapool-server.conf');
	my %pass = $server =~ /^location = (\/\S+) \{(?:(?!^\}).)*?^    fastcgi_pass (\w+);/msg;
	my %regex = $server =~ /^location ~ "([^"]+)" \{(?:(?!^\}).)*?^    fastcgi_pass (\w+);/msg;
	my %used;
	like $server, qr{^location = /openapi\.yaml \{.*?^    alias \S+/share/wapool/openapi\.yaml;}ms, 'and the file';
	for my $route (uniq(map { (split ' ')[1] } grep { !m{ /openapi\.yaml\z} } @want)) {
		my $example = $route =~ s/\{[^}]+\}/0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01/gr;
		my @by = exists $pass{$route} ? $route : grep { $example =~ /$_/ } keys %regex;
		ok @by == 1, "nginx/wapool-server.conf: $route";
		@used{@by} = ();
	}
	same_set([keys %used], [keys %pass, keys %regex], 'nginx/wapool-server.conf: nothing else');

	my @responders = map { basename($_, '.c') } files('handlers/*.c');
	for my $file (qw(INSTALL docs/systemd/wapool@.socket)) {
		my $text = slurp($file);
		like $text, qr/(?<![\w-])\Q$_\E(?![\w-])/, "$file: $_" for @responders;
	}
	return;
}

# --- Problems ---

sub problems {
	# code => "status retry"
	my %want;
	my $source = slurp('lib/message.c');
	$want{$3} = "$1 " . ($2 || '') while $source =~ /\] = \{([0-9]{3}), ([0-9]+), "([a-z-]+)"/g;
	cmp_ok scalar keys %want, '>', 15, 'problems are found';
	my %responders = %want;

	my $nginx = slurp('nginx/wapool-http.conf');
	my ($codes) = $nginx =~ /map \$status \$wapool_problem_code \{(.*?)\n\}/s;
	my ($retry) = $nginx =~ /map \$status \$wapool_retry_after \{(.*?)\n\}/s;
	my %retry = $retry =~ /^\s+([0-9]+)\s+([0-9]+);/mg;
	while ($codes =~ /^\s+([0-9]+)\s+([a-z-]+);/mg) {
		$want{$2} //= "$1 " . ($retry{$1} // '');
	}

	my ($section) = slurp('docs/api.md') =~ /^## Problem codes\n(.*?)^## /ms;
	my %documented;
	$documented{$1} = "$2 " . ($3 // '') while $section =~ /^\| `([a-z-]+)` \| ([0-9]{3}) \| (?:([0-9]+) )?\|/mg;
	is_deeply \%documented, \%want, 'docs/api.md: codes, statuses, Retry-After';

	my $openapi = slurp('docs/openapi.yaml');
	my ($enum) = $openapi =~ /^    ProblemType:\n(.*)\z/ms;
	same_set([$enum =~ /urn:wapool:problem:([a-z-]+)/g], [keys %want], 'docs/openapi.yaml');

	my @mentioned = slurp('docs/api.md') =~ /^Errors: (.*?)\n\n/msg;
	my @unknown = grep { !$want{$_} } map { /`([a-z-]+)`/g } @mentioned;
	is_deeply \@unknown, [], 'routes mention only codes that exist';
	is_deeply [grep { !$want{$_} } $openapi =~ /problem:([a-z-]+)/g], [], 'and so do the examples';
	return;
}

# --- Files ---

sub lib_readme {
	my $readme = slurp('lib/README');
	my @files = map { basename($_) } files('lib/*.c');
	my @named = $readme =~ /^    ((?:[a-z0-9-]+\.[ch])(?:, [a-z0-9-]+\.[ch])*)$/mg;
	my %named = map { $_ => 1 } map { split /, / } @named;
	ok $named{$_}, $_ for @files;
	is_deeply [grep { !-e "$root/lib/$_" } sort keys %named], [], 'and none that is gone';
	return;
}

# Threads as the handlers have them; connections as min(threads, DB_POOL).
sub sizes {
	my $install = slurp('INSTALL');
	my (undef, %default) = settings_of_program();
	my $all = 0;
	for my $file (files('handlers/*.c')) {
		my $text = slurp($file);
		my $name = basename($file, '.c');
		my ($threads) = $text =~ /\.threads = ([0-9]+)/;
		my $connections = $text !~ /APP_DB/ ? 0 : $threads < $default{DB_POOL} ? $threads : $default{DB_POOL};
		$all += $connections;
		like $install, qr/^    \Q$name\E +$threads +$connections\b/m, "$name: $threads threads, $connections connections";
	}
	like $install, qr/^    all +$all$/m, "all: $all connections";
	my ($one, $two) = map { $all + $_ * $default{DB_POOL} } 1, 2;    # helpers
	like $install, qr/^That is $one \(systemd\) or $two \(cron\)/m, "$one with a helper, $two with two";
	return;
}

sub links {
	for my $file (files('*.md', 'docs/*.md')) {
		my $text = slurp($file);
		my %anchor = map { anchor_of($_) => 1 } $text =~ /^#+ (.*)$/mg;
		my @broken;
		while ($text =~ /\]\(([^)\s]+)\)|\bsrc(?:set)?="([^"]+)"/g) {
			my ($path, $fragment) = split /#/, $1 // $2, 2;
			next if $path =~ /\Ahttps?:/;
			push @broken, $path if $path ne '' && !-e "$root/" . dirname($file) . "/$path";
			push @broken, "#$fragment" if $path eq '' && !$anchor{$fragment};
		}
		is_deeply \@broken, [], $file;
	}
	is_deeply [grep { -s "$root/$_" > 150 * 1024 } files('docs/screenshots/*')], [], 'no picture is big';
	return;
}

# A heading's anchor as GitHub makes it.
sub anchor_of {
	my ($heading) = @_;
	return lc($heading) =~ s/[^\w\- ]//gr =~ tr/ /-/r;
}

# --- Manual pages ---

sub manual_pages {
	my %words = (
		'wapool-maintain' => qr/^  ([a-z-]+) +\S/m,
		'wapoolctl'       => qr/^  ([a-z]+(?: [a-z]+)?)(?: |$)/m);
	for my $name (sort keys %words) {
		my $help = output_of("$build/$name", '--help');
		my @words = $help =~ /$words{$name}/g;
		cmp_ok scalar @words, '>', 2, "$name --help lists words";
		my $page = slurp("docs/$name.8");
		my @items = map { join ' ', /\A((?:[a-z-]+)(?: [a-z]+)?)\b/ } $page =~ /^\.It Cm (.*)$/mg;
		like $page, qr/^\.It Cm \Q$_\E\b/m, "$name: $_" for @words;
		is scalar @items, scalar @words, "$name: and no other";
		like $page, qr/\\-$_\b/, "$name: --$_" for $help =~ /--([a-z-]+)/g;
		next unless grep { -x "$_/groff" } split /:/, $ENV{PATH};
		is output_of('sh', '-c', 'exec groff -mandoc -ww -Tutf8 -z "$1" 2>&1', 'sh', "$root/docs/$name.8"), '',
			"$name: groff has nothing to say";
	}
	return;
}

# --- What docs/architecture.md says of transactions ---

sub transactions {
	my @callers = grep { $_ ne 'lib/db.c' && slurp($_) =~ /\bdb_begin\(/ }
		files('lib/*.c', 'handlers/*.c', 'maintain/*.c', 'ctl/*.c');
	is_deeply \@callers, ['handlers/connect.c', 'handlers/waha-servers.c'], 'db_begin has two callers';
	for my $file (@callers) {
		unlike slurp($file) =~ /^commit\((.*?)^\}/ms ? $1 : 'probe_run', qr/connect_run|probe_run|gateway|http_/,
			"$file: no gateway is called between BEGIN and COMMIT";
	}
	return;
}
