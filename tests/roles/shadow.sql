-- A schema whose functions, operators, types and views have the names of pg_catalog's own. Whatever of it runs writes
-- "shadow: NAME" into the server's log.
create schema shadow;

create function shadow.ran(what text) returns boolean language plpgsql as
$$ begin raise log 'shadow: %', what; return true; end $$;

do $$
declare
    it record;
begin
    -- Operators by which values are compared and put together, for each pair of types that pg_catalog has them for.
    for it in
        select oprname, oprleft::regtype::text as l, oprright::regtype::text as r, oprresult::regtype::text as result,
               row_number() over () as number
        from pg_operator
        where oprnamespace = 'pg_catalog'::regnamespace and oprname in ('=', '<>', '<', '>', '<=', '>=', '||', '-', '+', '~~')
          and oprleft <> 0
          and not exists (select from pg_type where typtype = 'p' and oid in (oprleft, oprright, oprresult))
    loop
        execute format('create function shadow.operator_%s(%s, %s) returns %s language plpgsql as '
                       '$f$ begin perform shadow.ran(%L); return null; end $f$',
                       it.number, it.l, it.r, it.result, format('%s(%s,%s)', it.oprname, it.l, it.r));
        execute format('create operator shadow.%s (function = shadow.operator_%s, leftarg = %s, rightarg = %s)',
                       it.oprname, it.number, it.l, it.r);
    end loop;

    -- Functions, but for those that no query calls by their names.
    for it in
        select proname, pg_get_function_identity_arguments(oid) as shown, prorettype::regtype::text as result,
               array_to_string(array(select t::regtype::text from unnest(proargtypes) as t), ', ') as arguments
        from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and provariadic = 0
          and not exists (select from pg_type where typtype = 'p' and oid = any (proargtypes::oid[] || prorettype))
    loop
        execute format('create function shadow.%I(%s) returns %s language plpgsql as '
                       '$f$ begin perform shadow.ran(%L); return null; end $f$',
                       it.proname, it.arguments, it.result, it.proname);
    end loop;

    -- Views.
    for it in
        select relname from pg_class
        where relnamespace = 'pg_catalog'::regnamespace and (relkind = 'v' or relname in ('pg_database', 'pg_roles'))
    loop
        begin
            execute format('create view shadow.%I as select * from pg_catalog.%I where shadow.ran(%L)',
                           it.relname, it.relname, it.relname);
        exception when invalid_table_definition then
            null; -- A column that no view may have.
        end;
    end loop;

    -- Types: a value that is cast to one of them is checked.
    for it in
        select typname from pg_type
        where typnamespace = 'pg_catalog'::regnamespace and typtype = 'b' and typcategory <> 'A' and typname <> 'char'
    loop
        execute format('create domain shadow.%I as pg_catalog.%I check (shadow.ran(%L))', it.typname, it.typname,
                       it.typname);
    end loop;
end $$;

grant usage on schema shadow to public;
grant select on all tables in schema shadow to public;
