package Bench::Peers;

# The peers of bench/peers beside a stack: behind the same nginx with the same TLS and limits, on the same
# PostgreSQL, with the same gateway.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use File::Basename qw(dirname);

use Wapool::Process qw(find_program free_ports run_ok wait_until);

use constant WORKERS => 2;    # processes of each: one a core, as responders have threads for all cores

my $HERE = abs_path(dirname(abs_path(__FILE__)) . '/../../peers');

sub names { return qw(express fastify) }

# Installs what the lock file names, once.
sub install {
	return if -d "$HERE/node_modules/fastify";
	run_ok([find_program('npm'), 'ci', '--no-audit', '--no-fund', '--silent'], dir => $HERE);
	return;
}

# A statement that the peers send, with $1, $2, … for its parameters.
sub statement {
	my ($name) = @_;
	my $text = run_ok([find_program('node'), '-p', 'require(process.argv[1])[process.argv[2]] ?? ""', "$HERE/common/statements.js", $name]);
	return $text =~ s/\s+\z//r || croak "the peers have no statement $name";
}

# To be called before the stack's nginx starts: gives it a server for each peer. Returns {name => HTTPS port,
# "name in clear" => HTTP port}.
sub ports {
	my ($s) = @_;
	my @keys = map { ($_, "$_ in clear") } names();
	my %port;
	@port{@keys} = free_ports(scalar @keys);
	my ($cert, $key) = $s->certificate;
	$s->{more} = join '', map { server($_, "$s->{socket_dir}/peer-$_.sock", $port{$_}, $port{"$_ in clear"}, $cert, $key) } names();
	return \%port;
}

# The same limits, headers and buffers as in nginx/wapool-server.conf and -fastcgi.conf; connections to the
# peer are kept.
sub server {
	my ($name, $socket, $port, $clear, $cert, $key) = @_;
	return <<"END";
    upstream peer_$name { server unix:$socket max_fails=0; keepalive 64; }
    server {
        listen 127.0.0.1:$port ssl http2 default_server;
        listen 127.0.0.1:$clear default_server;
        ssl_certificate     $cert;
        ssl_certificate_key $key;
        include wapool/wapool-tls.conf;
        include wapool/wapool-headers.conf;
        client_max_body_size 2m;
        client_body_buffer_size 128k;
        location / {
            limit_req zone=wapool_token burst=60 nodelay;
            limit_req zone=wapool_address burst=800 nodelay;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host \$host;
            proxy_set_header X-Request-Id \$request_id;
            proxy_buffer_size 16k;
            proxy_buffers 16 16k;
            proxy_max_temp_file_size 0;
            proxy_read_timeout 130s;
            proxy_next_upstream off;
            proxy_pass http://peer_$name;
        }
    }
END
}

# Starts them, after PostgreSQL and the simulator, and waits until they answer through nginx.
sub start {
	my ($s, $ports, %env) = @_;
	$s->start_group(peers => map { program($s, $_, %env) } names());
	for my $name (names()) {
		wait_until(20, sub { -S "$s->{socket_dir}/peer-$name.sock" }) or croak "$name does not start";
	}
	return;
}

sub program {
	my ($s, $name, %more) = @_;
	my %env = (%{ $s->environment }, %{ $s->postgres->login_env('wapool', 'wapool') }, NODE_ENV => 'production',
		SOCKET => "$s->{socket_dir}/peer-$name.sock", WORKERS => WORKERS, DB_POOL => 4, %more);
	return { name => $name, dir => "$HERE/$name", env => \%env, argv => [find_program('node'), 'server.js'] };
}

1;
