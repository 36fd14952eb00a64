package Wapool::Database;

# A stack's database with all migrations, from a copy: initdb and sqitch run once per build and version of the
# migrations, not once per stack. t/db.t and t/run.t do without, as they test just that.
#
#   start_database($s);    # instead of $s->start_postgres; $s->deploy

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA ();
use Exporter qw(import);
use Fcntl qw(:flock);
use File::Find qw(find);
use File::Path qw(remove_tree);

use Wapool::Process qw(make_dir run_ok slurp spew);
use Wapool::Stack;

our @EXPORT_OK = qw(start_database);

my @PASSWORDS = qw(postgres-postgres postgres-wapool);    # the copy keeps its roles' passwords

sub start_database {
	my ($s) = @_;
	my $template = template($s);
	my $postgres = $s->postgres;
	run_ok(['cp', '-a', "$template/data", $postgres->{data}]);
	spew("$postgres->{secret_dir}/$_", slurp("$template/$_"), 0600) for @PASSWORDS;
	$s->start_postgres;
	return;
}

# The directory of the template; whoever comes first makes it, others wait for him.
sub template {
	my ($s) = @_;
	make_dir($s->{build});
	my $dir = "$s->{build}/database-" . version_of($s);
	open my $lock, '>', "$s->{build}/database.lock" or croak "$s->{build}/database.lock: $!";
	flock $lock, LOCK_EX or croak "flock: $!";
	make_template($s, $dir) unless -d $dir;
	return $dir;
}

# What the content of the template depends on.
sub version_of {
	my ($s) = @_;
	my @files;
	find({ no_chdir => 1, wanted => sub { push @files, $_ if -f } }, "$s->{root}/migrations");
	my $sha = Digest::SHA->new(256)->add($s->postgres->{bin});
	$sha->add(substr($_, length $s->{root}), "\0", slurp($_), "\0")
		for sort(@files), $INC{'Wapool/Postgres.pm'}, __FILE__;
	return substr $sha->hexdigest, 0, 16;
}

sub make_template {
	my ($s, $dir) = @_;
	remove_tree(glob "$s->{build}/database-*");    # of other migrations, or half made
	my $new = Wapool::Stack->new(root => $s->{root}, build => $s->{build});
	$new->start_postgres;
	$new->deploy;
	$new->stop_postgres;
	make_dir("$dir.new");
	run_ok(['cp', '-a', $new->postgres->{data}, "$dir.new/data"]);
	spew("$dir.new/$_", slurp("$new->{var}/secret/$_"), 0600) for @PASSWORDS;
	rename "$dir.new", $dir or croak "$dir: $!";
	$new->stop;
	return;
}

1;
