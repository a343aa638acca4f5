select count(*) from information_schema.schema_privileges;
{% for name in mariadb_names %}
create database if not exists {{ name }};
grant all on {{ name }}.* to openstack@localhost identified by '{{ openstack_password }}';
{% endfor %}
select count(*) from information_schema.schema_privileges;
