create table product (id integer primary key, name text not null);
insert into product values (1, 'lamp'), (2, 'chair');
