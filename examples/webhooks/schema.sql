create table orders (
    id       bigint primary key generated always as identity,
    customer text not null,
    item     text not null,
    version  integer not null    -- of the customer: 1, 2, 3, ...; so the books can tell whether the order was kept
);
