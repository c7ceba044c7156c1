CREATE SEQUENCE "public"."notice_position" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
ALTER TABLE "notices" ADD COLUMN "position" bigint;--> statement-breakpoint
CREATE INDEX "notices_position" ON "notices" USING btree ("position","sequence") WHERE position is not null;