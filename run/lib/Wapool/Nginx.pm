package Wapool::Nginx;

# The nginx of `make run` and of the tests, from nginx/demo.conf.in and nginx/*.conf.

use strict;
use warnings;

use Carp qw(croak);
use File::Basename qw(basename);

use Wapool::Process qw(copy_tree find_program make_dir own reachable run_ok run_program slurp spew);

# root (of the source tree), dir (for the configuration), reach (a directory its workers can enter),
# run_dir, log_dir, socket_dir, group (a Wapool::Group), http_port, https_port (undef: no TLS),
# cert, cert_key, clear (true: HTTP serves everything), limits (false: rates that nobody reaches),
# origins ([…] for CORS), stream_seconds ({long, short}: how long a stream of live updates may last), sim_url (undef: no
# simulator), more (text for the end of the http block)
sub new {
	my ($class, %self) = @_;
	return bless { program => find_program('nginx'), %self }, $class;
}

# Writes the configuration and has nginx check it. True if it differs from what was there.
sub configure {
	my ($self) = @_;
	my $wapool = make_dir("$self->{dir}/wapool");
	my $changed = 0;
	for my $file (glob "$self->{root}/nginx/*.conf") {
		$changed += $self->write_if_new("$wapool/" . basename($file), $self->adapted($file));
	}
	$changed += $self->write_if_new("$wapool/openapi.yaml", slurp("$self->{root}/docs/openapi.yaml"));
	$changed += $self->write_if_new($self->conf_file, $self->main_conf);
	own($self->worker, make_dir("$self->{reach}/nginx-tmp", 0700));
	$self->check;
	return $changed;
}

sub conf_file { return "$_[0]{dir}/nginx.conf" }
sub worker    { return 'www-data' }

sub write_if_new {
	my ($self, $path, $text) = @_;
	return 0 if -e $path && slurp($path) eq $text;
	spew($path, $text, 0644);
	return 1;
}

# A file of nginx/ as this copy needs it.
sub adapted {
	my ($self, $file) = @_;
	my $text = slurp($file);
	my $name = basename($file);
	$text =~ s{unix:/run/wapool/}{unix:$self->{socket_dir}/}g    if $name =~ /\Awapool-(?:upstreams|live)\.conf\z/;
	$text =~ s{alias \S+/openapi\.yaml;}{alias $self->{dir}/wapool/openapi.yaml;}g;
	$text =~ s{root \S+/share/wapool/www;}{root @{[$self->www]};}        if $name eq 'wapool-pages.conf';
	$text =~ s{rate=\S+;}{rate=100000r/s;}g                      if $name eq 'wapool-limits.conf' && !$self->{limits};
	$text =~ s{(limit_conn \S+) \d+;}{$1 60000;}g                if !$self->{limits};
	for my $sort (keys %{ $self->{stream_seconds} || {} }) {
		$text =~ s{(/_live/$sort/.*?nchan_subscriber_timeout) \d+;}{$1 $self->{stream_seconds}{$sort};}s
			if $name eq 'wapool-server.conf';
	}
	$text .= join '', map { "$_ \$http_origin;\n" } $self->origins if $name eq 'wapool-origins.conf';
	return $text;
}

# Origins that are one, so that none can write configuration.
sub origins {
	my ($self) = @_;
	my @origins = @{ $self->{origins} || [] };
	m{\Ahttps?://[A-Za-z0-9.-]+(:[0-9]+)?\z} or croak "$_: not an origin like https://example.com"
		for @origins;
	return @origins;
}

sub main_conf {
	my ($self) = @_;
	my %value = (
		MODULES => $self->modules, USER => $> == 0 ? 'user ' . $self->worker . ';' : '',
		RUN => $self->{run_dir}, LOG => $self->{log_dir}, TMP => "$self->{reach}/nginx-tmp",
		HTTP_PORT => $self->{http_port}, HTTPS_PORT => $self->{https_port} // '',
		CERT => $self->{cert} // '', CERT_KEY => $self->{cert_key} // '',
		SIM => $self->{sim_url} ? "302 $self->{sim_url}/_sim/" : '404',
		REDIRECT => $self->{clear} ? ''
			: "if (\$wapool_needs_tls) { return 308 https://\$host:$self->{https_port}\$request_uri; }");
	my $text = slurp("$self->{root}/nginx/demo.conf.in");
	$text =~ s/^(\s*)#tls /$1/mg if $self->{https_port};
	$text =~ s/\@([A-Z_]+)\@/$value{$1} \/\/ croak "demo.conf.in: $1"/eg;
	$text =~ s/\}\s*\z/$self->{more}}\n/ if defined $self->{more};
	return $text;
}

# Debian loads its modules by /etc/nginx/nginx.conf, which this is not.
sub modules {
	my ($self) = @_;
	my ($nchan) = grep { -e } map { "$_/ngx_nchan_module.so" } qw(/usr/lib/nginx/modules /usr/lib64/nginx/modules);
	return $nchan ? "load_module $nchan;" : croak 'nginx has no module nchan: install libnginx-mod-nchan';
}

# The pages' directory, or a copy where the workers can read it.
sub www {
	my ($self) = @_;
	my $www = "$self->{root}/www";
	return $www if reachable($www, $self->worker);
	copy_tree($www, "$self->{reach}/www");
	return "$self->{reach}/www";
}

sub argv {
	my ($self) = @_;
	return ($self->{program}, '-p', "$self->{dir}/", '-e', "$self->{log_dir}/nginx-error.log",
		'-c', $self->conf_file);
}

# An nginx that was killed leaves its unix socket behind, and the next one could not bind it.
sub start_argv {
	my ($self) = @_;
	return ('/bin/sh', '-c', 'rm -f "$1"; shift; exec "$@"', 'nginx', "$self->{socket_dir}/live/publish.sock",
		$self->argv);
}

# nginx -t; dies with its words unless it is content, silently.
sub check {
	my ($self) = @_;
	my ($status, $output) = run_program([$self->argv, '-t']);
	croak "nginx -t:\n$output" if $status != 0;
	my @complaints = grep { !/syntax is ok|test is successful/ } split /^/, $output;
	return join '', @complaints;
}

# What run/supervise starts.
sub programs {
	my ($self) = @_;
	return { name => 'nginx', argv => [$self->start_argv], env => { PATH => '/usr/sbin:/usr/bin:/sbin:/bin' },
		dir => '/', stop => 'TERM', hup => 'signal' };
}

1;
